//! Events on their way out: a booking as a program outside of the platform sees it.

use std::{collections::HashMap, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::booking::buy;

/// What a booking tells, by who tells it, in order.
const TOLD: [(&str, &[&str]); 3] = [
    ("reservations", &["reservation.held", "reservation.confirmed"]),
    ("payments", &["payment.created", "payment.authorised", "payment.captured", "payment.completed"]),
    ("tickets", &["ticket.issued", "ticket.issued"]),
];

#[tokio::test]
async fn a_booking_is_told_to_who_asks_for_it() {
    let system = crate::system();
    let (admin, customer) = (system.admin().await, system.new_customer().await);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let types = ["moviebooking.reservations.*", "moviebooking.payments.*", "moviebooking.tickets.*"];
    let webhook = admin.post("/webhooks", json!({"url": url, "eventTypes": types})).await.ok();
    let (tell, mut told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, tell.clone()));
        }
    });

    let showtime = system.showtime().await;
    let payment = buy(&customer, &showtime).await;
    let mut wanting = TOLD.iter().map(|(_, kinds)| kinds.len()).sum::<usize>();
    let mut seen: HashMap<String, Vec<(u64, String)>> = HashMap::new();
    while wanting > 0 {
        let (headers, body) =
            tokio::time::timeout(Duration::from_secs(30), told.recv()).await.unwrap().unwrap();
        verify(webhook["secret"].as_str().unwrap(), &headers, &body);
        let event: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(headers["webhook-id"], event["id"].as_str().unwrap());
        // Others book as well.
        if !is_about(&event["data"], &payment) {
            continue;
        }
        wanting -= 1;
        let kind = event["type"].as_str().unwrap().strip_prefix("moviebooking.").unwrap();
        let (service, kind) = kind.split_once('.').unwrap();
        // Messages overtake each other on their way; their numbers tell the order.
        let number =
            ["/data/change/sequence", "/data/payment/sequence"].iter().find_map(|path| event.pointer(path));
        let number = number.and_then(Value::as_str).map_or(0, |number| number.parse().unwrap());
        seen.entry(service.to_owned()).or_default().push((number, kind.to_owned()));
    }
    for (service, kinds) in TOLD {
        let mut of_service = seen.remove(service).unwrap_or_default();
        of_service.sort();
        assert_eq!(of_service.into_iter().map(|(_, kind)| kind).collect::<Vec<_>>(), kinds, "{service}");
    }

    let id = webhook["id"].as_str().unwrap();
    let log = admin.get(&format!("/webhooks/{id}/deliveries?state=DELIVERED")).await.ok();
    assert!(!log["deliveries"].as_array().unwrap().is_empty());
    let all = admin.get("/webhooks").await.ok();
    let shown = all["webhooks"].as_array().unwrap().iter().find(|one| one["id"] == webhook["id"]).unwrap();
    assert_eq!(shown["secret"], "", "a secret is shown once");
    admin.delete(&format!("/webhooks/{id}")).await.ok();
    admin.get(&format!("/webhooks/{id}")).await.problem(404, "WEBHOOK_NOT_FOUND");
}

/// Whether the data of an event are about what was bought.
fn is_about(data: &Value, payment: &Value) -> bool {
    ["change", "payment", "ticket"].iter().any(|part| data[part]["reservationId"] == payment["reservationId"])
}

/// Verifies a message as the Standard Webhooks specification says.
fn verify(secret: &str, headers: &HashMap<String, String>, body: &str) {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = format!("{}.{}.{body}", headers["webhook-id"], headers["webhook-timestamp"]);
    let signature = STANDARD.decode(headers["webhook-signature"].strip_prefix("v1,").unwrap()).unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &signature).unwrap();
}

/// Reads requests from a connection, and answers each with 204.
async fn receive(mut stream: TcpStream, tell: mpsc::UnboundedSender<(HashMap<String, String>, String)>) {
    let mut read = Vec::new();
    loop {
        if let Some((headers, body, rest)) = request(&read) {
            read.drain(..rest);
            // The test may have ended.
            let _ = tell.send((headers, body));
            if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                return;
            }
            continue;
        }
        match stream.read_buf(&mut read).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// The first request in these bytes, if it is complete: its headers, its body, and where it ends.
fn request(bytes: &[u8]) -> Option<(HashMap<String, String>, String, usize)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: HashMap<String, String> = text.lines().filter_map(header).collect();
    let end = head + headers["content-length"].parse::<usize>().unwrap();
    let body = bytes.get(head..end)?;
    Some((headers, String::from_utf8(body.to_vec()).unwrap(), end))
}
