//! The transactional operations on the database, by what they are about.

pub(crate) mod import;
pub(crate) mod movies;
pub(crate) mod showtimes;

#[cfg(test)]
mod overlap_tests;
