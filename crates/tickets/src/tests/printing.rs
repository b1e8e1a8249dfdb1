use jiff::Timestamp;
use moviebooking_domain::id::{PaymentId, ReservationId, ShowtimeId, TheaterId, TicketId, UserId};
use moviebooking_proto::{
    Reason,
    tickets::v1::{GetTicketPdfRequest, GetTicketQrRequest, tickets_service_server::TicketsService as _},
};
use moviebooking_store::both_engines;
use proptest::prelude::*;
use uuid::Uuid;

use super::{World, by, now, owner, reason, user};
use crate::{
    MIGRATIONS,
    pdf::{PdfError, Printer},
    ticket::{Sale, Seat, Show, Ticket, Voided},
};

/// Always the same ticket.
fn ticket(title: &str) -> Ticket {
    let id = |number: u128| Uuid::from_u128(0x019a_af3c_5a80_7c11_8d2e_0123_4567_8900 + number);
    Ticket {
        id: TicketId::from(id(1)),
        sale: Sale {
            payment: PaymentId::from(id(2)),
            reservation: ReservationId::from(id(3)),
            showtime: ShowtimeId::from(id(4)),
            user: UserId::from(id(5)),
        },
        seat: Seat {
            label: "C7".to_owned(),
            row: "C".to_owned(),
            category: "premium".to_owned(),
            price: moviebooking_domain::money::Money::new(1250, "EUR".parse().unwrap()),
        },
        show: Show {
            movie_title: title.to_owned(),
            theater: TheaterId::from(id(6)),
            theater_name: "Kino am Park".to_owned(),
            theater_address: "Unter den Linden 1, 10117 Berlin, DE".to_owned(),
            hall_name: "Saal 1".to_owned(),
            start: "2026-11-22T19:15:00Z".parse().unwrap(),
            time_zone: "Europe/Berlin".to_owned(),
            refund_policy: None,
        },
        code: format!("MBT1.{}", "AB2C".repeat(43)),
        issued: Timestamp::UNIX_EPOCH,
        checked_in: None,
        voided: None,
    }
}

fn print(ticket: Ticket) -> Result<Vec<u8>, PdfError> {
    tokio::runtime::Runtime::new().unwrap().block_on(Printer::new().print(ticket))
}

fn pages(pdf: &[u8]) -> usize {
    assert!(pdf.starts_with(b"%PDF-") && pdf.trim_ascii_end().ends_with(b"%%EOF"));
    String::from_utf8_lossy(pdf).matches("/Type/Page/").count()
}

/// Writes tickets to look at into the folder that `TICKET_SAMPLES` names, when it does.
fn keep(name: &str, pdf: &[u8]) {
    if let Ok(folder) = std::env::var("TICKET_SAMPLES") {
        std::fs::write(format!("{folder}/{name}.pdf"), pdf).unwrap();
    }
}

#[test]
fn the_same_ticket_gives_the_same_bytes() {
    let pdf = print(ticket("Der Himmel über Berlin")).unwrap();
    keep("plain", &pdf);
    assert_eq!(pages(&pdf), 1);
    assert_eq!(print(ticket("Der Himmel über Berlin")).unwrap(), pdf);
    assert_ne!(print(ticket("Der Himmel über Bern")).unwrap(), pdf);
}

#[test]
fn every_script_is_printed() {
    for (name, title) in [
        ("cyrillic", "Сталкер · Στάλκερ"),
        ("arabic", "لورنس العرب (1962)"),
        ("hebrew", "ואלס עם באשיר 2008 Waltz"),
        ("japanese", "千と千尋の神隠し"),
        ("korean", "기생충 Parasite"),
        ("emoji", "The 🎬 Emoji 👩‍👩‍👧 Movie"),
        ("piled", &format!("Za{}lgo", "\u{301}\u{316}\u{489}".repeat(90))),
        (
            "long",
            &"Night of the Day of the Dawn of the Son of the Bride of the Return of the Revenge ".repeat(4)
                [..300],
        ),
        ("unbroken", &"W".repeat(300)),
        ("empty", ""),
    ] {
        let pdf = print(ticket(title)).unwrap();
        keep(name, &pdf);
        assert_eq!(pages(&pdf), 1, "{name}");
    }
}

#[test]
fn long_names_and_void_tickets_are_printed() {
    let mut ticket = ticket("Solaris");
    ticket.show.theater_name = "Lichtspielhaus ".repeat(13);
    ticket.show.theater_address = "Straße des 17. Juni 135, ".repeat(50);
    ticket.show.hall_name = "W".repeat(100);
    ticket.show.time_zone = "Nowhere/At_All".to_owned();
    ticket.seat.label = "W".repeat(20);
    ticket.seat.category = "loge mit Sofa und Getränk, zwei Plätze, Nr. 100000".to_owned();
    ticket.seat.price.minor = 1_000_000_000_000;
    ticket.voided = Some(Voided { at: Timestamp::UNIX_EPOCH, reason: "stolen".to_owned() });
    let pdf = print(ticket).unwrap();
    keep("void", &pdf);
    assert_eq!(pages(&pdf), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_title_is_printed_on_one_page(title in proptest::collection::vec(any::<char>(), 0..300)) {
        let title: String = title.into_iter().collect();
        prop_assert_eq!(pages(&print(ticket(&title)).unwrap()), 1);
    }
}

both_engines! {
    &MIGRATIONS;

    async fn pictures_and_pages_are_for_those_who_may_see_the_ticket(db: Db) {
        let world = World::on(db);
        let ticket = world.ticket("C7").await;
        let qr = || GetTicketQrRequest { id: ticket.id.clone() };
        let pdf = || GetTicketPdfRequest { id: ticket.id.clone() };
        let picture = world.service.get_ticket_qr(by(&owner(&ticket), qr())).await.unwrap().into_inner();
        assert_eq!(picture.content_type, "image/svg+xml");
        assert!(picture.data.starts_with(b"<svg "));
        let page = world.service.get_ticket_pdf(by(&owner(&ticket), pdf())).await.unwrap().into_inner();
        assert_eq!(page.content_type, "application/pdf");
        assert_eq!(pages(&page.data), 1);
        let stranger = user(UserId::new(now()), false, &[]);
        assert_eq!(reason(world.service.get_ticket_qr(by(&stranger, qr())).await), Reason::TicketNotFound);
        assert_eq!(reason(world.service.get_ticket_pdf(by(&stranger, pdf())).await), Reason::TicketNotFound);
    }
}
