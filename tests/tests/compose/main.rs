//! The images, and the platform as `docker-compose.yml` runs it, on a Docker daemon: `cargo xtask test compose` starts
//! one, builds the images and says by variables where they are.

#[cfg(test)]
mod docker;
#[cfg(test)]
mod images;
#[cfg(test)]
mod platform;
