//! The program as a person starts it from a shell.

#[cfg(test)]
mod postgres;
#[cfg(test)]
mod program;
#[cfg(test)]
mod start;
#[cfg(test)]
mod walk;
