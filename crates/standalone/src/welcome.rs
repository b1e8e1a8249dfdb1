//! What the platform prints when it is ready.

use std::io::Write as _;

use crate::{Storage, demo::accounts};

/// Says where the platform listens, how to log in, and how to buy a ticket from a shell.
pub(crate) fn print(url: &str, storage: &Storage, demo: bool) {
    let text = if demo { with_demo(url, storage) } else { without_demo(url, storage) };
    // A closed standard output is no reason to stop serving.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn without_demo(url: &str, storage: &Storage) -> String {
    format!(
        "The platform listens on {url} (REST, gRPC-Web and gRPC); its data is in {storage}.\n\
         The interface is described at {url}/openapi.json.\n"
    )
}

/// The walk from login to ticket is plain sh with curl: paste it as it is.
fn with_demo(url: &str, storage: &Storage) -> String {
    let file = storage.folder().path().join(accounts::FILE);
    format!(
        r#"{}The demo cinema has three accounts: customer@, staff@ and admin@demo.example; their passwords are in
{file}.

From login to ticket, to be pasted into a shell:

  . '{file}'
  API={url}
  JSON='Content-Type: application/json'
  first() {{ grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }}
  TOKEN=$(curl -s $API/users/login -H "$JSON" \
    -d "{{\"email\":\"$CUSTOMER_EMAIL\",\"password\":\"$CUSTOMER_PASSWORD\"}}" | first accessToken)
  SHOWTIME=$(curl -s "$API/showtimes?pageSize=1&startTimeFrom=$(date -u +%Y-%m-%dT23:59:59Z)" | first id)
  curl -s $API/showtimes/$SHOWTIME/seats | head -c 400; echo
  HOLD=$(curl -s $API/reservations -H "Authorization: Bearer $TOKEN" -H "$JSON" -H "Idempotency-Key: hold-$$-$(date +%s)" \
    -d "{{\"showtimeId\":\"$SHOWTIME\",\"bestAvailable\":{{\"count\":2,\"together\":true}}}}")
  TOTAL=$(echo "$HOLD" | grep -o '"total":{{[^}}]*}}' | cut -d : -f 2-)
  PAID=$(curl -s $API/payments/charge -H "Authorization: Bearer $TOKEN" -H "$JSON" -H "Idempotency-Key: pay-$$-$(date +%s)" \
    -d "{{\"reservationId\":\"$(echo "$HOLD" | first id)\",\"amount\":$TOTAL,\"paymentToken\":\"tok_approve\"}}")
  TICKET=$(echo "$PAID" | grep -o '"ticketIds":\["[^"]*"' | cut -d '"' -f 4)
  curl -s $API/tickets/$TICKET -H "Authorization: Bearer $TOKEN"; echo
  curl -s $API/tickets/$TICKET/pdf -H "Authorization: Bearer $TOKEN" -o ticket.pdf && ls -l ticket.pdf

"#,
        without_demo(url, storage),
        file = file.display(),
    )
}
