use super::*;
use crate::MIGRATIONS;

async fn list(
    service: &Service,
    theater: &str,
    page_size: i32,
    page_token: &str,
) -> Result<Response<wire::ListHallsResponse>, Status> {
    let request = wire::ListHallsRequest {
        theater_id: theater.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    };
    service.list_halls(Request::new(request)).await
}

fn update(hall: wire::Hall, paths: &[&str]) -> wire::UpdateHallRequest {
    wire::UpdateHallRequest { hall: Some(hall), update_mask: mask(paths), request_id: String::new() }
}

fn close(hall: &wire::Hall) -> wire::DeleteHallRequest {
    wire::DeleteHallRequest { id: hall.id.clone(), request_id: String::new() }
}

moviebooking_store::both_engines! {
    &MIGRATIONS;

    async fn a_hall_is_read_as_it_was_opened(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let mut request = hall_request(&theater, "Saal 1");
        request.hall.as_mut().unwrap().allow_orphan_seats = true;
        let opened = sent(service.create_hall(by(&staff_of(&theater), request)).await);
        assert_eq!(hall(&service, &opened.id).await, opened);
        assert_eq!(opened.theater_id, theater.id);
        assert_eq!((opened.cleaning_minutes, opened.layout_version, opened.capacity), (15, 0, 0));
        assert!(opened.allow_orphan_seats && !opened.closed && opened.categories.is_empty());
        assert_eq!(sent(list(&service, &theater.id, 0, "").await).halls, [opened]);
    }

    async fn what_is_wrong_is_named(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        for name in ["", "a\nb", &"x".repeat(101)] {
            assert_eq!(refused(service.create_hall(by(&staff, hall_request(&theater, name))).await).1, ["hall.display_name"]);
        }
        for minutes in [-1, 241, i32::MIN] {
            let mut request = hall_request(&theater, "1");
            request.hall.as_mut().unwrap().cleaning_minutes = minutes;
            assert_eq!(refused(service.create_hall(by(&staff, request)).await).1, ["hall.cleaning_minutes"]);
        }
        let none = wire::CreateHallRequest { hall: None, ..hall_request(&theater, "1") };
        assert_eq!(refused(service.create_hall(by(&staff, none)).await).1, ["hall"]);
    }

    async fn a_name_is_unique_among_the_open_halls_of_a_theater(db: Db) {
        let service = service(db);
        let (theater, other) = (open_theater(&service).await, open_theater(&service).await);
        let staff = staff_of(&theater);
        let (one, two) = (open_hall(&service, &theater, "1").await, open_hall(&service, &theater, "2").await);
        open_hall(&service, &other, "1").await;
        let taken = (Reason::NameTaken, vec!["hall.display_name".to_owned()]);
        assert_eq!(refused(service.create_hall(by(&staff, hall_request(&theater, "1"))).await), taken);
        let renamed = update(wire::Hall { display_name: "1".to_owned(), ..two }, &["display_name"]);
        assert_eq!(refused(service.update_hall(by(&staff, renamed.clone())).await), taken);
        sent(service.delete_hall(by(&staff, close(&one))).await);
        assert_eq!(sent(service.update_hall(by(&staff, renamed)).await).display_name, "1");
    }

    async fn an_update_changes_what_the_mask_names(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let opened = open_hall(&service, &theater, "1").await;
        let wanted = wire::Hall { display_name: "x".to_owned(), cleaning_minutes: 30, allow_orphan_seats: true, ..opened.clone() };
        let changed = sent(service.update_hall(by(&staff, update(wanted.clone(), &["cleaning_minutes"]))).await);
        assert_eq!((changed.display_name.as_str(), changed.cleaning_minutes, changed.allow_orphan_seats), ("1", 30, false));
        assert_eq!(hall(&service, &opened.id).await, changed);
        assert_eq!(refused(service.update_hall(by(&staff, update(wanted.clone(), &["*"]))).await).0, Reason::EtagMismatch);
        let all = sent(service.update_hall(by(&staff, update(wire::Hall { etag: changed.etag, ..wanted }, &["*"]))).await);
        assert_eq!((all.display_name.as_str(), all.allow_orphan_seats), ("x", true));
        let forbidden = update(all, &["capacity"]);
        assert_eq!(refused(service.update_hall(by(&staff, forbidden)).await).1, ["update_mask"]);
    }

    async fn the_same_update_twice_is_done_once(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let opened = open_hall(&service, &theater, "1").await;
        let request = wire::UpdateHallRequest { request_id: new_key(), ..update(wire::Hall { cleaning_minutes: 7, ..opened }, &["cleaning_minutes"]) };
        let first = sent(service.update_hall(by(&staff, request.clone())).await);
        // Its etag is old by now: the answer is the one given before.
        assert_eq!(sent(service.update_hall(by(&staff, request)).await), first);
    }

    async fn a_closed_hall_is_readable_and_takes_no_change(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let opened = open_hall(&service, &theater, "1").await;
        sent(service.delete_hall(by(&staff, close(&opened))).await);
        assert!(hall(&service, &opened.id).await.closed);
        assert_eq!(sent(list(&service, &theater.id, 0, "").await).halls, []);
        let renamed = update(wire::Hall { etag: String::new(), ..opened.clone() }, &["display_name"]);
        assert_eq!(refused(service.update_hall(by(&staff, renamed)).await).0, Reason::FailedPrecondition);
        assert_eq!(refused(service.delete_hall(by(&staff, close(&opened))).await).0, Reason::FailedPrecondition);
    }

    async fn only_those_who_run_the_theater_change_its_halls(db: Db) {
        let service = service(db);
        let (theater, other) = (open_theater(&service).await, open_theater(&service).await);
        let opened = open_hall(&service, &theater, "1").await;
        let stranger = staff_of(&other);
        let denied = Reason::PermissionDenied;
        assert_eq!(refused(service.create_hall(by(&stranger, hall_request(&theater, "2"))).await).0, denied);
        let renamed = update(opened.clone(), &["display_name"]);
        assert_eq!(refused(service.update_hall(by(&stranger, renamed)).await).0, denied);
        assert_eq!(refused(service.delete_hall(by(&stranger, close(&opened))).await).0, denied);
        let unknown = wire::Hall { id: new_key(), display_name: "x".to_owned(), ..wire::Hall::default() };
        assert_eq!(refused(service.delete_hall(by(&stranger, close(&unknown))).await).0, Reason::HallNotFound);
        assert_eq!(refused(service.update_hall(by(&stranger, update(unknown, &["display_name"]))).await).0, Reason::HallNotFound);
        let nowhere = hall_request(&wire::Theater { id: new_key(), ..berlin() }, "1");
        assert_eq!(refused(service.create_hall(by(&admin(), nowhere)).await).0, Reason::TheaterNotFound);
        sent(service.delete_hall(by(&admin(), close(&opened))).await);
    }

    async fn pages_belong_to_one_theater(db: Db) {
        let service = service(db);
        let (theater, other) = (open_theater(&service).await, open_theater(&service).await);
        let mut all = Vec::new();
        for name in ["1", "2", "3"] {
            all.push(open_hall(&service, &theater, name).await.id);
            open_hall(&service, &other, name).await;
        }
        all.sort();
        let ids = |page: &wire::ListHallsResponse| page.halls.iter().map(|hall| hall.id.clone()).collect::<Vec<_>>();
        let first = sent(list(&service, &theater.id, 2, "").await);
        assert_eq!(ids(&first), all[..2]);
        let second = sent(list(&service, &theater.id, 2, &first.next_page_token).await);
        assert_eq!((ids(&second).as_slice(), second.next_page_token.as_str()), (&all[2..], ""));
        let foreign = list(&service, &other.id, 2, &first.next_page_token).await;
        assert_eq!(refused(foreign).0, Reason::InvalidPageToken);
        assert_eq!(refused(list(&service, &new_key(), 0, "").await).0, Reason::TheaterNotFound);
    }
}
