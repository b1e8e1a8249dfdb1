//! The reconciliation as a command.

use std::io::Write;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use moviebooking_domain::clock::Clock;
use moviebooking_serve::StartError;
use moviebooking_store::{Db, StoreError};

use super::{Difference, Kind, ReconcileError, Reconciliation, Sum, book_fees, reconcile};
use crate::provider::Provider;

/// What is compared, and how it is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The first instant to compare: a date (00:00 UTC) or a time such as 2026-11-22T18:00:00Z [default: a day before
    /// --to].
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<Timestamp>,
    /// The first instant not to compare any more [default: now].
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<Timestamp>,
    /// Write the result as one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Compares, books the fees that are new, and writes the result to standard output.
    ///
    /// # Errors
    /// 1 when there are differences, 64 when no time is left to compare, 69 when the provider or the database does not
    /// answer, 70 when the database fails.
    pub async fn run(&self, db: &Db, provider: &dyn Provider, clock: &dyn Clock) -> Result<(), StartError> {
        let to = self.to.unwrap_or_else(|| clock.now());
        let day_before = to.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        let from = self.from.unwrap_or(day_before);
        if from >= to {
            return Err(StartError::usage(format!("--from {from} is not before --to {to}")));
        }
        let result = reconcile(db, provider, from, to).await.map_err(failed)?;
        book_fees(db, &result, clock.now()).await.map_err(|error| failed(error.into()))?;
        let mut out = std::io::stdout();
        // Nobody reading any more does not change the result.
        let _ = if self.json { write_json(&mut out, &result) } else { write_table(&mut out, &result) };
        match result.differences.len() {
            0 => Ok(()),
            count => Err(StartError::negative(format!(
                "the ledger and {} differ in {count} movement{}",
                result.provider,
                if count == 1 { "" } else { "s" }
            ))),
        }
    }
}

fn failed(error: ReconcileError) -> StartError {
    match error {
        ReconcileError::Store(error @ StoreError::Unavailable { .. }) => {
            StartError::unavailable(error.chain())
        }
        ReconcileError::Store(error) => StartError::software(error.chain()),
        ReconcileError::Provider(..) => StartError::unavailable(error.to_string()),
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let midnight = |date: Date| date.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp());
    text.parse()
        .or_else(|_no_time| text.parse::<Date>().and_then(midnight))
        .map_err(|_neither| "use a date, as 2026-11-22, or a time, as 2026-11-22T18:00:00Z".to_owned())
}

fn write_json(out: &mut impl Write, result: &Reconciliation) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, result)?;
    writeln!(out)
}

fn write_table(out: &mut impl Write, result: &Reconciliation) -> std::io::Result<()> {
    let Reconciliation { provider, from, to, equal, under_way, new_fees, differences } = result;
    if !differences.is_empty() {
        let line = |out: &mut dyn Write, cells: [&str; 6]| {
            let [kind, movement, ledger, there, time, what] = cells;
            writeln!(out, "{kind:<14}  {movement:<12}  {ledger:>14}  {there:>14}  {time:<20}  {what}")
        };
        line(out, ["difference", "movement", "ledger", provider, "time", "payment, refund, transaction"])?;
        for difference in differences {
            let Difference { kind, movement, ledger, provider, time, .. } = difference;
            let kind = match kind {
                Kind::MissingHere => "missing here",
                Kind::MissingThere => "missing there",
                Kind::AmountDiffers => "amount differs",
            };
            let time = format!("{time:.0}");
            line(out, [kind, movement, &amount(ledger), &amount(provider), &time, &names(difference)])?;
        }
    }
    writeln!(
        out,
        "{from} to {to}: {equal} movements equal, {under_way} under way, {} different; {} fees of {provider} booked",
        differences.len(),
        new_fees.len()
    )
}

fn amount(sum: &Option<Sum>) -> String {
    sum.as_ref().map_or_else(|| "-".to_owned(), |sum| format!("{} {}", sum.amount_minor, sum.currency_code))
}

/// What a difference is about: whatever is known of payment, refund and transaction.
fn names(difference: &Difference) -> String {
    let payment = difference.payment.map(|payment| payment.to_string());
    let refund = difference.refund.map(|refund| refund.to_string());
    let known = [payment, refund, difference.transaction.clone()];
    known.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_instants() {
        assert_eq!(instant("2026-11-22").unwrap().to_string(), "2026-11-22T00:00:00Z");
        assert_eq!(instant("2026-11-22T18:00:00+01:00").unwrap().to_string(), "2026-11-22T17:00:00Z");
        assert!(instant("yesterday").unwrap_err().contains("2026-11-22"));
    }
}
