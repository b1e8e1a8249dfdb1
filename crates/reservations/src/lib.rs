//! Who holds or owns which seat of which showtime
