//! The chart, and the platforms that the operator runs, on the cluster that KUBECONFIG names: `cargo xtask test cluster` starts
//! one, loads the images into it and says by variables where everything is.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod balance;
#[cfg(test)]
mod cinema;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod install;
#[cfg(test)]
mod load;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod release;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod stops;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod upgrade;
