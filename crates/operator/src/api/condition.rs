//! Conditions of a status, as Kubernetes' API conventions have them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The conditions of a status that is being written: what is [set](Self::set) replaces what was there, and the time of a
/// transition stays while the status does.
#[derive(Clone, Debug)]
pub struct Conditions {
    before: Vec<Condition>,
    now: Timestamp,
    generation: Option<i64>,
    made: Vec<Condition>,
}

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether it holds; nothing where it cannot be known.
    pub holds: Option<bool>,
    /// Why, as one word for programs: `UpperCamelCase`.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
}

impl State {
    /// It holds.
    pub fn holds(reason: &'static str, message: impl Into<String>) -> Self {
        Self { holds: Some(true), reason, message: message.into() }
    }

    /// It does not.
    pub fn fails(reason: &'static str, message: impl Into<String>) -> Self {
        Self { holds: Some(false), reason, message: message.into() }
    }
}

impl Conditions {
    /// Those of a resource of `generation` whose status had the conditions `before`.
    pub fn new(before: &[Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self { before: before.to_vec(), now, generation, made: Vec::new() }
    }

    /// Sets the condition `type_`.
    pub fn set(&mut self, type_: &str, state: &State) {
        let status = match state.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        let before = self.before.iter().find(|before| before.type_ == type_ && before.status == status);
        let since = before.map_or(Time(self.now), |before| before.last_transition_time.clone());
        self.made.push(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: state.reason.to_owned(),
            message: state.message.clone(),
            observed_generation: self.generation,
            last_transition_time: since,
        });
    }

    /// What was set.
    pub fn finish(self) -> Vec<Condition> {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_last_transition() {
        let (first, second) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        let set = |before: &[Condition], now, state| {
            let mut conditions = Conditions::new(before, Some(1), now);
            conditions.set("Ready", &state);
            conditions.finish()
        };
        let waiting = set(&[], first, State::fails("Waiting", "for users"));
        let still = set(&waiting, second, State::fails("Waiting", "for movies"));
        assert_eq!(still[0].last_transition_time, Time(first));
        assert_eq!(still[0].message, "for movies");
        let ready = set(&still, second, State::holds("Ready", ""));
        assert_eq!(ready[0].last_transition_time, Time(second));
    }
}
