//! The way of one booking, over REST and over gRPC.

use std::collections::HashSet;

use futures::StreamExt as _;
use moviebooking_proto::{
    movies::v1::{ListShowtimesRequest, movies_service_client::MoviesServiceClient},
    payments::v1::{ChargeRequest, PaymentState, payments_service_client::PaymentsServiceClient},
    reservations::v1::{
        CreateReservationRequest, GetSeatMapRequest, SeatState, WatchSeatsRequest,
        reservations_service_client::ReservationsServiceClient, seats_event::Event,
    },
    tickets::v1::{GetTicketPdfRequest, ListTicketsRequest, tickets_service_client::TicketsServiceClient},
    users::v1::{LoginRequest, RegisterRequest, users_service_client::UsersServiceClient},
};
use moviebooking_tests::{Rest, key};
use serde_json::{Value, json};
use tonic::{Request, metadata::MetadataValue};

/// Holds two seats that the platform chooses and pays for them.
pub(crate) async fn buy(customer: &Rest, showtime: &str) -> Value {
    let hold = customer
        .post(
            "/reservations",
            json!({"showtimeId": showtime, "bestAvailable": {"count": 2, "together": true}}),
        )
        .await
        .ok();
    customer
        .post(
            "/payments/charge",
            json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"}),
        )
        .await
        .ok()
}

fn seat_state<'a>(map: &'a Value, label: &str) -> &'a Value {
    let rows = map["rows"].as_array().unwrap();
    rows.iter()
        .flat_map(|row| row["seats"].as_array().unwrap())
        .find(|seat| seat["label"] == label)
        .map(|seat| &seat["state"])
        .unwrap()
}

#[tokio::test]
async fn over_rest_from_registration_to_the_door() {
    let system = crate::system();
    let (visitor, customer) = (system.rest(), system.new_customer().await);

    let theaters = visitor.get("/theaters").await.ok();
    let theater = &theaters["theaters"][0];
    let showtime = system.showtime().await;
    let shown = visitor.get(&format!("/showtimes/{showtime}")).await.ok();
    let date = &shown["localStartTime"].as_str().unwrap()[..10];
    let list = visitor
        .get(&format!(
            "/showtimes?movieId={}&theaterId={}&localDate={date}",
            shown["movieId"].as_str().unwrap(),
            shown["theaterId"].as_str().unwrap()
        ))
        .await
        .ok();
    assert!(list["showtimes"].as_array().unwrap().iter().any(|other| other["id"] == shown["id"]), "{list}");
    assert!(theater["timeZone"].is_string());

    let map = visitor.get(&format!("/showtimes/{showtime}/seats")).await.ok();
    let free: Vec<&Value> = map["rows"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row["seats"].as_array().unwrap())
        .filter(|seat| seat["state"] == "FREE" && seat["kind"] == "STANDARD")
        .collect();
    // Two at the start of a block leave no single seat behind.
    let labels = [&free[0]["label"], &free[1]["label"]];
    let hold = customer.post("/reservations", json!({"showtimeId": showtime, "seats": labels})).await.ok();
    assert_eq!(hold["state"], "ACTIVE");
    let map = visitor.get(&format!("/showtimes/{showtime}/seats")).await.ok();
    assert_eq!(seat_state(&map, labels[0].as_str().unwrap()), "HELD");

    let charge = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve"});
    let payment = customer.post("/payments/charge", charge).await.ok();
    assert_eq!(payment["state"], "COMPLETED");
    assert_eq!(payment["ticketIds"].as_array().unwrap().len(), 2);
    let map = visitor.get(&format!("/showtimes/{showtime}/seats")).await.ok();
    assert_eq!(seat_state(&map, labels[1].as_str().unwrap()), "SOLD");

    let id = payment["ticketIds"][0].as_str().unwrap();
    let ticket = customer.get(&format!("/tickets/{id}")).await.ok();
    assert_eq!((&ticket["state"], &ticket["movieTitle"]), (&json!("VALID"), &shown["movieTitle"]));
    let qr = customer.get(&format!("/tickets/{id}/qr")).await;
    assert_eq!(qr.headers["content-type"], "image/svg+xml");
    assert!(qr.bytes.starts_with(b"<svg") || qr.bytes.starts_with(b"<?xml"));
    let pdf = customer.get(&format!("/tickets/{id}/pdf")).await;
    assert_eq!(pdf.headers["content-type"], "application/pdf");
    assert!(pdf.bytes.starts_with(b"%PDF-"));

    let staff = system.staff().await;
    let let_in = staff.post("/tickets/check-in", json!({"code": ticket["code"]})).await.ok();
    assert_eq!(let_in["state"], "CHECKED_IN");
    let again = staff.post("/tickets/check-in", json!({"code": ticket["code"]})).await;
    again.problem(409, "TICKET_ALREADY_CHECKED_IN");
}

#[tokio::test]
async fn over_grpc_from_registration_to_the_pdf() {
    let system = crate::system();
    let channel = system.grpc().await.channel();
    let (email, password) = (format!("{}@buyers.example", key()), "a long enough password".to_owned());
    let mut users = UsersServiceClient::new(channel.clone());
    users
        .register(RegisterRequest {
            email: email.clone(),
            password: password.clone(),
            display_name: "A Buyer".to_owned(),
            request_id: key(),
        })
        .await
        .unwrap();
    let session = users.login(LoginRequest { email, password }).await.unwrap().into_inner();
    let bearer: MetadataValue<_> = format!("Bearer {}", session.access_token).parse().unwrap();
    let signed_in = move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", bearer.clone());
        Ok(request)
    };

    let showtime_id = system.showtime().await;
    let listed = MoviesServiceClient::new(channel.clone())
        .list_showtimes(ListShowtimesRequest { page_size: 1, ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.showtimes.len(), 1);

    let mut reservations = ReservationsServiceClient::with_interceptor(channel.clone(), signed_in.clone());
    let mut watched = reservations
        .watch_seats(WatchSeatsRequest { showtime_id: showtime_id.clone(), after_sequence: 0 })
        .await
        .unwrap()
        .into_inner();
    let Some(Event::Snapshot(snapshot)) = watched.next().await.unwrap().unwrap().event else {
        panic!("a watch starts with a snapshot");
    };
    let free_before = snapshot.free_count;

    let hold = reservations
        .create_reservation(CreateReservationRequest {
            showtime_id: showtime_id.clone(),
            best_available: Some(moviebooking_proto::reservations::v1::BestAvailable {
                count: 3,
                category: "standard".to_owned(),
                together: true,
            }),
            request_id: key(),
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner();
    let held: HashSet<String> = hold.seats.iter().map(|seat| seat.label.clone()).collect();
    let mut seen = HashSet::new();
    while !held.is_subset(&seen) {
        match watched.next().await.unwrap().unwrap().event {
            Some(Event::Changes(changes)) => seen.extend(
                changes
                    .seats
                    .into_iter()
                    .filter(|seat| seat.state == i32::from(SeatState::Held))
                    .map(|seat| seat.label),
            ),
            other => panic!("after the snapshot come changes, not {other:?}"),
        }
    }
    let map = reservations.get_seat_map(GetSeatMapRequest { showtime_id }).await.unwrap().into_inner();
    assert!(map.free_count <= free_before - 3);

    let payment = PaymentsServiceClient::with_interceptor(channel.clone(), signed_in.clone())
        .charge(ChargeRequest {
            reservation_id: hold.id,
            amount: hold.total,
            payment_token: "tok_approve".to_owned(),
            request_id: key(),
        })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(payment.state(), PaymentState::Completed);

    let mut tickets = TicketsServiceClient::with_interceptor(channel, signed_in);
    let mine = tickets
        .list_tickets(ListTicketsRequest { payment_id: payment.id, ..Default::default() })
        .await
        .unwrap()
        .into_inner()
        .tickets;
    assert_eq!(mine.iter().map(|ticket| ticket.seat.clone()).collect::<HashSet<_>>(), held);
    let pdf =
        tickets.get_ticket_pdf(GetTicketPdfRequest { id: mine[0].id.clone() }).await.unwrap().into_inner();
    assert_eq!(pdf.content_type, "application/pdf");
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_answer_and_a_changed_one_none() {
    let system = crate::system();
    let (customer, showtime) = (system.new_customer().await, system.showtime().await);
    let send = |count: i32, key: String| {
        let body = json!({"showtimeId": showtime, "bestAvailable": {"count": count}});
        let request = customer
            .request(reqwest::Method::POST, "/reservations")
            .header("idempotency-key", key)
            .json(&body);
        customer.send(request)
    };
    let key = key();
    let first = send(1, key.clone()).await.ok();
    assert_eq!(send(1, key.clone()).await.ok(), first);
    send(2, key).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_declined_card_costs_nothing_and_keeps_the_hold() {
    let system = crate::system();
    let (customer, showtime) = (system.new_customer().await, system.showtime().await);
    let hold = customer
        .post("/reservations", json!({"showtimeId": showtime, "bestAvailable": {"count": 1}}))
        .await
        .ok();
    let charge = |token: &str| {
        let body = json!({"reservationId": hold["id"], "amount": hold["total"], "paymentToken": token});
        let customer = customer.clone();
        async move { customer.post("/payments/charge", body).await }
    };
    charge("tok_insufficient_funds").await.problem(402, "PAYMENT_DECLINED");
    let held = customer.get(&format!("/reservations/{}", hold["id"].as_str().unwrap())).await.ok();
    assert_eq!(held["state"], "ACTIVE");
    assert_eq!(charge("tok_approve").await.ok()["state"], "COMPLETED");
    charge("tok_approve").await.problem(409, "ALREADY_PAID");
}

#[tokio::test]
async fn a_refund_voids_the_ticket_and_frees_its_seat() {
    let system = crate::system();
    let (customer, showtime) = (system.new_customer().await, system.showtime().await);
    let payment = buy(&customer, &showtime).await;
    let ticket = customer.get(&format!("/tickets/{}", payment["ticketIds"][0].as_str().unwrap())).await.ok();
    let staff = system.staff().await;
    let path = format!("/payments/{}/refund", payment["id"].as_str().unwrap());
    let refunded = staff.post(&path, json!({"ticketIds": [ticket["id"]], "reason": "cold"})).await.ok();
    assert_eq!(refunded["state"], "PARTIALLY_REFUNDED");
    assert_eq!(refunded["refunded"], ticket["price"]);
    let ticket = customer.get(&format!("/tickets/{}", ticket["id"].as_str().unwrap())).await.ok();
    assert_eq!(ticket["state"], "VOID");
    let map = system.rest().get(&format!("/showtimes/{showtime}/seats")).await.ok();
    assert_eq!(seat_state(&map, ticket["seat"].as_str().unwrap()), "FREE");
    assert_eq!(staff.post(&path, json!({})).await.ok()["state"], "REFUNDED");
    staff
        .post(&path, json!({"amount": {"amountMinor": "1", "currencyCode": "EUR"}}))
        .await
        .problem(409, "REFUND_TOO_LARGE");
}

#[tokio::test]
async fn a_watcher_over_rest_sees_a_hold_and_can_come_back_to_where_it_was() {
    let system = crate::system();
    let (customer, showtime) = (system.new_customer().await, system.showtime().await);
    let visitor = system.rest();
    let path = format!("/showtimes/{showtime}/seats/watch");
    let body = json!({"showtimeId": showtime, "bestAvailable": {"count": 1}});
    customer.post("/reservations", body.clone()).await.ok();
    let mut watched = visitor.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(watched.headers()["content-type"], "text/event-stream");
    let snapshot = next_event(&mut watched).await;
    assert!(snapshot.contains("\"snapshot\""), "{snapshot}");

    let hold = customer.post("/reservations", body).await.ok();
    let label = format!("\"label\":{}", hold["seats"][0]["label"]);
    let change = loop {
        let event = next_event(&mut watched).await;
        if event.contains(&label) {
            break event;
        }
    };
    assert!(change.contains("HELD"), "{change}");
    drop(watched);

    // Whoever comes back with the id before the change gets the change, and no new map.
    let id = |event: &str| event.lines().find_map(|line| line.strip_prefix("id:")).unwrap().trim().to_owned();
    let request = visitor.request(reqwest::Method::GET, &path).header("last-event-id", id(&snapshot));
    let resumed = next_event(&mut request.send().await.unwrap()).await;
    assert!(resumed.contains(&label) && !resumed.contains("\"snapshot\":{"), "{resumed}");
}

/// The next server-sent event that is not a comment, as text.
async fn next_event(stream: &mut reqwest::Response) -> String {
    let mut text = String::new();
    loop {
        text.push_str(str::from_utf8(&stream.chunk().await.unwrap().expect("the stream goes on")).unwrap());
        if let Some(end) = text.find("\n\n") {
            let event = text[..end].to_owned();
            if event.lines().any(|line| line.starts_with("data:")) {
                return event;
            }
            text.drain(..end + 2);
        }
    }
}
