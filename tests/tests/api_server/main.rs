//! The manifests on an API server.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod chart;
#[cfg(test)]
mod manifests;
