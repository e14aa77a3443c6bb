"""Every figure the notebooks show, one module per lesson. Functions take arrays and return figures."""
