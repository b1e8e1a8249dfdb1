//! What is read and written, in operations named for the use case.
//!
//! Every change of a showtime's seats goes through a [`Turn`], or, on PostgreSQL, through [`AtOnce`].

mod at_once;
mod publish;
mod read;
mod rows;
mod turn;

pub(crate) use at_once::AtOnce;
pub(crate) use publish::{published, unpublished};
pub(crate) use read::{
    Filter, board, catch_up, changed_since, changes_after, claims, list, offers, reservation,
};
pub(crate) use turn::Turn;
