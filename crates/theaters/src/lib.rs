//! Theaters, halls and their versioned seat layouts
