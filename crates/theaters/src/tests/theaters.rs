use super::*;
use crate::MIGRATIONS;

async fn theater(service: &Service, id: &str) -> Result<Response<wire::Theater>, Status> {
    service.get_theater(Request::new(wire::GetTheaterRequest { id: id.to_owned() })).await
}

async fn list(service: &Service, page_size: i32, page_token: &str) -> (Vec<String>, String) {
    let request = wire::ListTheatersRequest { page_size, page_token: page_token.to_owned() };
    let page = sent(service.list_theaters(Request::new(request)).await);
    (page.theaters.into_iter().map(|theater| theater.id).collect(), page.next_page_token)
}

/// The field that is refused when a theater is opened with a change.
async fn wrong(service: &Service, change: impl FnOnce(&mut wire::Theater)) -> String {
    let mut theater = berlin();
    change(&mut theater);
    let request = wire::CreateTheaterRequest { theater: Some(theater), request_id: new_key() };
    let (reason, fields) = refused(service.create_theater(by(&admin(), request)).await);
    assert_eq!(reason, Reason::InvalidArgument);
    fields.join(", ")
}

fn update(theater: wire::Theater, paths: &[&str]) -> wire::UpdateTheaterRequest {
    wire::UpdateTheaterRequest { theater: Some(theater), update_mask: mask(paths), request_id: String::new() }
}

moviebooking_store::both_engines! {
    &MIGRATIONS;

    async fn a_theater_is_read_as_it_was_opened(db: Db) {
        let service = service(db);
        let opened = open_theater(&service).await;
        assert_eq!(opened, sent(theater(&service, &opened.id).await));
        let given = wire::Theater { id: String::new(), create_time: None, update_time: None, etag: String::new(), ..opened.clone() };
        assert_eq!(given, berlin());
        assert_eq!(opened.create_time.as_ref().unwrap().seconds, NOW.as_second());
        assert_eq!(opened.etag, "1");
    }

    async fn what_is_wrong_is_named(db: Db) {
        let service = service(db);
        for zone in ["", "UTC+1", "Mars/Olympus"] {
            assert_eq!(wrong(&service, |t| t.time_zone = zone.to_owned()).await, "theater.time_zone");
        }
        for currency in ["", "eur", "EURO", "XXX"] {
            assert_eq!(wrong(&service, |t| t.currency_code = currency.to_owned()).await, "theater.currency_code");
        }
        for name in ["", "  ", "a\0b", &"ü".repeat(201)] {
            assert_eq!(wrong(&service, |t| t.display_name = name.to_owned()).await, "theater.display_name");
        }
        for country in ["de", "DEU", "D1", "ÄÖ"] {
            let refused = wrong(&service, |t| t.address.as_mut().unwrap().country_code = country.to_owned()).await;
            assert_eq!(refused, "theater.address.country_code");
        }
        let lines = wrong(&service, |t| t.address.as_mut().unwrap().lines = vec!["x".to_owned(); 4]).await;
        assert_eq!(lines, "theater.address.lines");
        let line = wrong(&service, |t| t.address.as_mut().unwrap().lines[1].clear()).await;
        assert_eq!(line, "theater.address.lines[1]");
        let city = wrong(&service, |t| t.address.as_mut().unwrap().city = "x".repeat(201)).await;
        assert_eq!(city, "theater.address.city");
        let none = wire::CreateTheaterRequest { theater: None, request_id: new_key() };
        assert_eq!(refused(service.create_theater(by(&admin(), none)).await).1, ["theater"]);
    }

    async fn an_address_may_be_missing_and_names_take_any_script(db: Db) {
        let service = service(db);
        let new = wire::Theater { display_name: " Кино 映画館 🎬 ".to_owned(), address: None, ..berlin() };
        let request = wire::CreateTheaterRequest { theater: Some(new), request_id: new_key() };
        let opened = sent(service.create_theater(by(&admin(), request)).await);
        assert_eq!(opened.display_name, "Кино 映画館 🎬");
        assert_eq!(sent(theater(&service, &opened.id).await).address, Some(wire::Address::default()));
    }

    async fn the_same_request_twice_opens_one_theater(db: Db) {
        let service = service(db);
        let caller = admin();
        let request = wire::CreateTheaterRequest { theater: Some(berlin()), request_id: new_key() };
        let first = sent(service.create_theater(by(&caller, request.clone())).await);
        assert_eq!(sent(service.create_theater(by(&caller, request.clone())).await), first);
        assert_eq!(list(&service, 0, "").await.0, [first.id.as_str()]);
        let mut other = request.clone();
        other.theater.as_mut().unwrap().display_name.push('!');
        assert_eq!(refused(service.create_theater(by(&caller, other)).await).0, Reason::IdempotencyKeyReused);
        let without = wire::CreateTheaterRequest { request_id: String::new(), ..request };
        assert_eq!(refused(service.create_theater(by(&caller, without)).await).0, Reason::IdempotencyKeyMissing);
    }

    async fn pages_are_ordered_by_id_and_stay_stable(db: Db) {
        let service = service(db);
        let mut all = Vec::new();
        for _ in 0..5 {
            all.push(open_theater(&service).await.id);
        }
        all.sort();
        let (first, token) = list(&service, 2, "").await;
        assert_eq!(first, all[..2]);
        // One of those shown is closed meanwhile: the next page does not move.
        let close = wire::DeleteTheaterRequest { id: all[0].clone(), request_id: String::new() };
        sent(service.delete_theater(by(&admin(), close)).await);
        let (second, token) = list(&service, 2, &token).await;
        assert_eq!(second, all[2..4]);
        let (third, token) = list(&service, 2, &token).await;
        assert_eq!((third.as_slice(), token.as_str()), (&all[4..], ""));
        let tampered = wire::ListTheatersRequest { page_size: 0, page_token: "AAAA".to_owned() };
        assert_eq!(refused(service.list_theaters(Request::new(tampered)).await).0, Reason::InvalidPageToken);
        let negative = wire::ListTheatersRequest { page_size: -1, page_token: String::new() };
        assert_eq!(refused(service.list_theaters(Request::new(negative)).await).1, ["page_size"]);
    }

    async fn an_update_changes_what_the_mask_names(db: Db) {
        let service = service(db);
        let opened = open_theater(&service).await;
        let staff = staff_of(&opened);
        let changed = wire::Theater { display_name: "Neu".to_owned(), time_zone: "nowhere".to_owned(), ..opened.clone() };
        let answer = sent(service.update_theater(by(&staff, update(changed, &["display_name"]))).await);
        assert_eq!((answer.display_name.as_str(), answer.etag.as_str()), ("Neu", "2"));
        assert_eq!(answer.time_zone, "Europe/Berlin");
        assert_eq!(sent(theater(&service, &opened.id).await), answer);

        // The etag of what was opened is old now.
        let late = update(wire::Theater { display_name: "Spät".to_owned(), ..opened.clone() }, &["display_name"]);
        assert_eq!(refused(service.update_theater(by(&staff, late)).await).0, Reason::EtagMismatch);
        let unchecked = wire::Theater { address: None, etag: String::new(), ..opened.clone() };
        let answer = sent(service.update_theater(by(&staff, update(unchecked, &["address"]))).await);
        assert_eq!(answer.address, Some(wire::Address::default()));
        let forbidden = update(opened, &["create_time"]);
        assert_eq!(refused(service.update_theater(by(&staff, forbidden)).await).1, ["update_mask"]);
    }

    async fn time_zone_and_currency_are_fixed_once_there_is_a_hall(db: Db) {
        let service = service(db);
        let opened = open_theater(&service).await;
        let staff = staff_of(&opened);
        let moved = |time_zone: &str, currency: &str| {
            let theater = wire::Theater { time_zone: time_zone.to_owned(), currency_code: currency.to_owned(), etag: String::new(), ..opened.clone() };
            update(theater, &["time_zone", "currency_code"])
        };
        let answer = sent(service.update_theater(by(&staff, moved("europe/london", "GBP"))).await);
        assert_eq!((answer.time_zone.as_str(), answer.currency_code.as_str()), ("Europe/London", "GBP"));
        let hall = open_hall(&service, &opened, "1").await;
        let close = wire::DeleteHallRequest { id: hall.id, request_id: String::new() };
        sent(service.delete_hall(by(&staff, close)).await);

        // Also a closed hall had showtimes.
        let refusal = refused(service.update_theater(by(&staff, moved("Europe/Berlin", "GBP"))).await);
        assert_eq!(refusal, (Reason::FailedPrecondition, vec!["theater.time_zone".to_owned()]));
        let refusal = refused(service.update_theater(by(&staff, moved("Europe/London", "EUR"))).await);
        assert_eq!(refusal, (Reason::FailedPrecondition, vec!["theater.currency_code".to_owned()]));
        sent(service.update_theater(by(&staff, moved("Europe/London", "GBP"))).await);
    }

    async fn a_closed_theater_is_readable_and_takes_no_change(db: Db) {
        let service = service(db);
        let opened = open_theater(&service).await;
        let one = open_hall(&service, &opened, "1").await;
        let close = wire::DeleteTheaterRequest { id: opened.id.clone(), request_id: new_key() };
        let caller = admin();
        sent(service.delete_theater(by(&caller, close.clone())).await);
        // The repetition has the same answer, another request does not.
        sent(service.delete_theater(by(&caller, close.clone())).await);
        let again = wire::DeleteTheaterRequest { request_id: new_key(), ..close };
        assert_eq!(refused(service.delete_theater(by(&caller, again)).await).0, Reason::FailedPrecondition);

        assert_eq!(list(&service, 0, "").await.0, [""; 0]);
        assert_eq!(sent(theater(&service, &opened.id).await).display_name, "Lichtspielhaus");
        assert!(hall(&service, &one.id).await.closed);
        let halls = wire::ListHallsRequest { theater_id: opened.id.clone(), page_size: 0, page_token: String::new() };
        assert_eq!(sent(service.list_halls(Request::new(halls)).await).halls, []);
        let another = hall_request(&opened, "2");
        assert_eq!(refused(service.create_hall(by(&caller, another)).await).0, Reason::FailedPrecondition);
        let renamed = update(wire::Theater { etag: String::new(), ..opened }, &["display_name"]);
        assert_eq!(refused(service.update_theater(by(&caller, renamed)).await).0, Reason::FailedPrecondition);
    }

    async fn only_those_who_run_a_theater_change_it(db: Db) {
        let service = service(db);
        let (mine, other) = (open_theater(&service).await, open_theater(&service).await);
        let renamed = update(mine, &["display_name"]);
        let denied = refused(service.update_theater(by(&staff_of(&other), renamed.clone())).await);
        assert_eq!(denied.0, Reason::PermissionDenied);
        let by_service = Caller::Service("movies".into());
        assert_eq!(refused(service.update_theater(by(&by_service, renamed)).await).0, Reason::PermissionDenied);
        let unknown = update(wire::Theater { id: new_key(), ..berlin() }, &["display_name"]);
        assert_eq!(refused(service.update_theater(by(&admin(), unknown)).await).0, Reason::TheaterNotFound);
        assert_eq!(refused(theater(&service, &new_key()).await).0, Reason::TheaterNotFound);
        assert_eq!(refused(theater(&service, "7").await), (Reason::InvalidArgument, vec!["id".to_owned()]));
    }

    async fn a_refund_policy_is_set_changed_and_taken_away(db: Db) {
        let service = service(db);
        let policy = wire::RefundPolicy { until_minutes_before_start: 120, fee_basis_points: 250, fee_minor: 50 };
        let request = wire::CreateTheaterRequest {
            theater: Some(wire::Theater { refund_policy: Some(policy), ..berlin() }),
            request_id: new_key(),
        };
        let opened = sent(service.create_theater(by(&admin(), request)).await);
        assert_eq!(opened.refund_policy, Some(policy));
        let strict = wire::RefundPolicy { until_minutes_before_start: 43_200, fee_basis_points: 10_000, ..policy };
        for wanted in [Some(strict), None] {
            let change = wire::Theater { refund_policy: wanted, etag: String::new(), ..opened.clone() };
            let changed = sent(service.update_theater(by(&admin(), update(change, &["refund_policy"]))).await);
            assert_eq!(changed.refund_policy, wanted);
            assert_eq!(sent(theater(&service, &opened.id).await), changed);
        }
        for (field, wrong_policy) in [
            ("until_minutes_before_start", wire::RefundPolicy { until_minutes_before_start: -1, ..policy }),
            ("until_minutes_before_start", wire::RefundPolicy { until_minutes_before_start: 43_201, ..policy }),
            ("fee_basis_points", wire::RefundPolicy { fee_basis_points: 10_001, ..policy }),
            ("fee_minor", wire::RefundPolicy { fee_minor: -1, ..policy }),
        ] {
            let refused = wrong(&service, |theater| theater.refund_policy = Some(wrong_policy)).await;
            assert_eq!(refused, format!("theater.refund_policy.{field}"));
        }
    }
}
