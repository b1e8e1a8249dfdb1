//! The service with stand-ins for its neighbours, called over gRPC, on both engines.

#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod importing;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod neighbours;
#[cfg(test)]
mod scheduling;
#[cfg(test)]
mod world;
