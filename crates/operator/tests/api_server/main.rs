//! The operator's program against a real API server, as the service account that its roles are for. Nothing else runs: what
//! Kubernetes' own controllers would do (Jobs, Deployments), the tests do.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod cloud_native_pg;
#[cfg(test)]
mod converging;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod input;
#[cfg(test)]
mod leading;
#[cfg(test)]
mod previous;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod suspending;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod upgrading;
#[cfg(test)]
mod world;
