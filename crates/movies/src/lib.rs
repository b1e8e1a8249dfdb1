//! The catalogue, showtimes and their prices
