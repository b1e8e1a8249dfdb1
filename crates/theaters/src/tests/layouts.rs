use moviebooking_fields::layout::to_wire;
use serde_json::Value;

use super::*;
use crate::{
    MIGRATIONS,
    pretix::tests::{hall_of_500, to_struct},
};

pub(super) fn publish(hall: &wire::Hall) -> wire::PublishLayoutRequest {
    wire::PublishLayoutRequest {
        hall_id: hall.id.clone(),
        layout: Some(to_wire(&hall_of_500())),
        request_id: new_key(),
    }
}

async fn layout(
    service: &Service,
    hall: &wire::Hall,
    version: i32,
) -> Result<Response<wire::Layout>, Status> {
    service.get_layout(Request::new(wire::GetLayoutRequest { hall_id: hall.id.clone(), version })).await
}

async fn export(service: &Service, hall: &wire::Hall, version: i32) -> Value {
    let request = wire::ExportLayoutRequest { hall_id: hall.id.clone(), version };
    let body = sent(service.export_layout(Request::new(request)).await);
    assert_eq!(body.content_type, "application/json");
    serde_json::from_slice(&body.data).unwrap()
}

/// A service that has cached nothing yet, on the same database.
fn fresh(service: &Service) -> Service {
    super::service(service.db.clone())
}

moviebooking_store::both_engines! {
    &MIGRATIONS;

    async fn a_layout_is_read_as_it_was_published(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let opened = open_hall(&service, &theater, "1").await;
        let published = sent(service.publish_layout(by(&staff_of(&theater), publish(&opened))).await);
        assert_eq!((published.version, published.hall_id.as_str()), (1, opened.id.as_str()));
        assert!(published.create_time.is_some() && !published.allow_orphan_seats);
        assert_eq!(published.rows, to_wire(&hall_of_500()).rows);
        for service in [&service, &service, &fresh(&service)] {
            assert_eq!(sent(layout(service, &opened, 1).await), published);
        }
        let hall = hall(&service, &opened.id).await;
        assert_eq!((hall.layout_version, hall.capacity), (1, 500));
        assert_eq!(hall.categories, ["standard", "Loge: 1. Rang"]);
        assert_ne!(hall.etag, opened.etag);
    }

    async fn versions_count_up_and_never_change(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let opened = open_hall(&service, &theater, "1").await;
        let first = sent(service.publish_layout(by(&staff, publish(&opened))).await);
        let allowed = wire::UpdateHallRequest {
            hall: Some(wire::Hall { id: opened.id.clone(), allow_orphan_seats: true, ..wire::Hall::default() }),
            update_mask: mask(&["allow_orphan_seats"]),
            request_id: String::new(),
        };
        sent(service.update_hall(by(&staff, allowed)).await);
        let mut smaller = publish(&opened);
        smaller.layout.as_mut().unwrap().rows.truncate(15);
        smaller.layout.as_mut().unwrap().categories.truncate(1);
        let second = sent(service.publish_layout(by(&staff, smaller)).await);
        assert_eq!((second.version, second.allow_orphan_seats), (2, true));
        assert_eq!(sent(layout(&fresh(&service), &opened, 1).await), first);
        let hall = hall(&service, &opened.id).await;
        assert_eq!((hall.layout_version, hall.capacity, hall.categories.as_slice()), (2, 375, &["standard".to_owned()][..]));
    }

    async fn the_same_request_twice_publishes_one_version(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let opened = open_hall(&service, &theater, "1").await;
        let request = publish(&opened);
        let first = sent(service.publish_layout(by(&staff, request.clone())).await);
        assert_eq!(sent(service.publish_layout(by(&staff, request.clone())).await), first);
        assert_eq!(hall(&service, &opened.id).await.layout_version, 1);
        let without = wire::PublishLayoutRequest { request_id: String::new(), ..request };
        assert_eq!(refused(service.publish_layout(by(&staff, without)).await).0, Reason::IdempotencyKeyMissing);
    }

    async fn a_layout_that_breaks_the_rules_is_refused_by_its_fields(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let opened = open_hall(&service, &theater, "1").await;
        let wrong = async |change: &dyn Fn(&mut wire::Layout)| {
            let mut request = publish(&opened);
            change(request.layout.as_mut().unwrap());
            let (reason, fields) = refused(service.publish_layout(by(&staff, request)).await);
            assert_eq!(reason, Reason::InvalidArgument);
            fields
        };
        assert_eq!(wrong(&|l| l.rows[2].seats[5].label = "A1".to_owned()).await, ["layout.rows[2].seats[5].label"]);
        assert_eq!(wrong(&|l| (l.rows[9].seats[1].x, l.rows[9].seats[1].y) = (l.rows[9].seats[0].x, l.rows[9].seats[0].y)).await, ["layout.rows[9].seats[1].x"]);
        assert_eq!(wrong(&|l| l.rows[0].seats[0].kind = wire::SeatKind::Standard.into()).await, ["layout.rows[0].seats[1].companion_of"]);
        assert_eq!(wrong(&|l| l.rows[0].seats[3].kind = 77).await, ["layout.rows[0].seats[3].kind"]);
        assert_eq!(wrong(&|l| l.rows[1].seats[0].category = "x\0".to_owned()).await, ["layout.rows[1].seats[0].category"]);
        assert_eq!(wrong(&|l| l.categories[0].name = "\0".to_owned()).await.len(), 20);
        assert_eq!(wrong(&|l| l.rows.clear()).await, ["layout.rows"]);
        let none = wire::PublishLayoutRequest { layout: None, ..publish(&opened) };
        assert_eq!(refused(service.publish_layout(by(&staff, none)).await).1, ["layout"]);
        assert_eq!(hall(&service, &opened.id).await.layout_version, 0);
    }

    async fn a_plan_is_exported_and_imported_again(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let (one, two) = (open_hall(&service, &theater, "1").await, open_hall(&service, &theater, "2").await);
        let published = sent(service.publish_layout(by(&staff, publish(&one))).await);
        let plan = export(&service, &one, 1).await;
        let import = wire::ImportLayoutRequest { hall_id: two.id.clone(), seating_plan: Some(to_struct(&plan)), request_id: new_key() };
        let imported = sent(service.import_layout(by(&staff, import.clone())).await);
        assert_eq!(imported, wire::Layout { hall_id: two.id.clone(), ..published });
        assert_eq!(export(&fresh(&service), &two, 1).await, plan);
        assert_eq!(sent(service.import_layout(by(&staff, import.clone())).await), imported);

        let mut broken = plan;
        broken["zones"][0]["rows"][3]["seats"][2]["category"] = Value::from("Balkon");
        let import = wire::ImportLayoutRequest { seating_plan: Some(to_struct(&broken)), request_id: new_key(), ..import };
        let refusal = refused(service.import_layout(by(&staff, import.clone())).await);
        assert_eq!(refusal, (Reason::InvalidArgument, vec!["seating_plan.zones[0].rows[3].seats[2].category".to_owned()]));
        let none = wire::ImportLayoutRequest { seating_plan: None, ..import };
        assert_eq!(refused(service.import_layout(by(&staff, none)).await).1, ["seating_plan"]);
    }

    async fn what_is_not_there_is_told_apart(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let opened = open_hall(&service, &theater, "1").await;
        let unknown = wire::Hall { id: new_key(), ..opened.clone() };
        assert_eq!(refused(layout(&service, &opened, 1).await).0, Reason::LayoutNotFound);
        assert_eq!(refused(layout(&service, &opened, i32::MAX).await).0, Reason::LayoutNotFound);
        assert_eq!(refused(layout(&service, &unknown, 1).await).0, Reason::HallNotFound);
        for version in [0, -1, i32::MIN] {
            assert_eq!(refused(layout(&service, &opened, version).await).1, ["version"]);
        }
        assert_eq!(refused(service.publish_layout(by(&admin(), publish(&unknown))).await).0, Reason::HallNotFound);
        let stranger = staff_of(&open_theater(&service).await);
        assert_eq!(refused(service.publish_layout(by(&stranger, publish(&opened))).await).0, Reason::PermissionDenied);
    }

    async fn layouts_of_a_closed_hall_stay_and_no_more_are_published(db: Db) {
        let service = service(db);
        let theater = open_theater(&service).await;
        let staff = staff_of(&theater);
        let opened = open_hall(&service, &theater, "1").await;
        let published = sent(service.publish_layout(by(&staff, publish(&opened))).await);
        let close = wire::DeleteHallRequest { id: opened.id.clone(), request_id: String::new() };
        sent(service.delete_hall(by(&staff, close)).await);
        assert_eq!(sent(layout(&fresh(&service), &opened, 1).await), published);
        assert_eq!(refused(service.publish_layout(by(&staff, publish(&opened))).await).0, Reason::FailedPrecondition);
    }
}
