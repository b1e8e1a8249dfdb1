//! Requests side by side.

use futures::future::join_all;

use super::{layouts::publish, *};
use crate::MIGRATIONS;

/// Runs what is given at the same time, each in a task of its own.
async fn together<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

moviebooking_store::both_engines! {
    &MIGRATIONS;

    async fn layouts_published_at_once_get_distinct_versions(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let opened = open_hall(&service, &theater, "1").await;
        let answers = together((0..12).map(|_| {
            let (service, request) = (service.clone(), by(&staff, publish(&opened)));
            async move { sent(service.publish_layout(request).await).version }
        }))
        .await;
        let mut versions = answers;
        versions.sort_unstable();
        assert_eq!(versions, (1..=12).collect::<Vec<_>>());
        assert_eq!(hall(&service, &opened.id).await.layout_version, 12);
    }

    async fn the_same_request_at_once_opens_one_hall(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let (staff, message) = (staff_of(&theater), hall_request(&theater, "1"));
        let answers = together((0..8).map(|_| {
            let (service, request) = (service.clone(), by(&staff, message.clone()));
            async move { sent(service.create_hall(request).await) }
        }))
        .await;
        assert!(answers.iter().all(|hall| *hall == answers[0]));
    }

    async fn of_halls_with_one_name_one_is_opened(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let answers = together((0..8).map(|_| {
            let (service, request) = (service.clone(), by(&staff, hall_request(&theater, "1")));
            async move { service.create_hall(request).await }
        }))
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        assert!(answers.into_iter().filter(Result::is_err).all(|answer| refused(answer).0 == Reason::NameTaken));
    }

    async fn no_hall_is_opened_in_a_theater_that_moves_to_another_zone(db: Db) {
        let service = service(db);
        for round in 0..6 {
            let theater = open_theater(&service).await;
            let caller = admin();
            let moved = wire::UpdateTheaterRequest {
                theater: Some(wire::Theater { time_zone: "Asia/Tokyo".to_owned(), ..theater.clone() }),
                update_mask: mask(&["time_zone"]),
                request_id: String::new(),
            };
            let (change, open) = (by(&caller, moved), by(&caller, hall_request(&theater, "1")));
            let (one, two) = (service.clone(), service.clone());
            let (moved, opened) = tokio::join!(
                tokio::spawn(async move { one.update_theater(change).await }),
                tokio::spawn(async move { two.create_hall(open).await }),
            );
            // The hall is always opened; the theater moves only before it.
            let opened = sent(opened.unwrap());
            let zone = service.theater(theater.id.parse::<uuid::Uuid>().unwrap().into()).await.unwrap();
            match moved.unwrap() {
                Ok(_) => assert_eq!(zone.time_zone, "Asia/Tokyo", "round {round}"),
                Err(status) => {
                    assert_eq!(reason_of(&status), Some(Reason::FailedPrecondition));
                    assert_eq!(zone.time_zone, "Europe/Berlin", "round {round}");
                }
            }
            assert!(!hall(&service, &opened.id).await.closed);
        }
    }

    async fn no_open_hall_is_left_in_a_closed_theater(db: Db) {
        let service = service(db);
        for _ in 0..6 {
            let theater = open_theater(&service).await;
            let close = wire::DeleteTheaterRequest { id: theater.id.clone(), request_id: String::new() };
            let (close, open) = (by(&admin(), close), by(&admin(), hall_request(&theater, "1")));
            let (one, two) = (service.clone(), service.clone());
            let (closed, opened) = tokio::join!(
                tokio::spawn(async move { one.delete_theater(close).await }),
                tokio::spawn(async move { two.create_hall(open).await }),
            );
            sent(closed.unwrap());
            match opened.unwrap() {
                Ok(opened) => assert!(hall(&service, &opened.into_inner().id).await.closed),
                Err(status) => assert_eq!(reason_of(&status), Some(Reason::FailedPrecondition)),
            }
        }
    }
}
