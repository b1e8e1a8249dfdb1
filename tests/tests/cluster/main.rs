//! The chart, and the platforms that the operator runs, on the cluster that KUBECONFIG names: `cargo xtask test cluster` starts
//! one, loads the images into it and says by variables where everything is.

#[cfg(test)]
mod cinema;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod install;
