use proptest::prelude::*;

use super::*;

fn seat(label: &str, kind: SeatKind, x: i32, y: i32) -> Seat {
    let (label, category) = (label.to_owned(), "standard".to_owned());
    Seat { label, category, kind, x, y, companion_of: String::new() }
}

/// `rows` rows of `seats` seats, one drawing unit apart.
fn hall(rows: usize, seats: usize) -> Layout {
    let at = |n: usize| i32::try_from(n * 100).unwrap();
    let row = |r: usize| Row {
        label: format!("R{r}"),
        seats: (0..seats).map(|s| seat(&format!("R{r}-{s}"), SeatKind::Standard, at(s), at(r))).collect(),
    };
    Layout {
        display_name: "Opening".to_owned(),
        categories: vec![Category { name: "standard".to_owned(), color: "#1a2B3c".to_owned() }],
        rows: (0..rows).map(row).collect(),
    }
}

/// The paths of what is wrong with a hall of three rows of four after a change.
fn wrong(change: impl FnOnce(&mut Layout)) -> Vec<String> {
    let mut layout = hall(3, 4);
    change(&mut layout);
    let violations = layout.validate().err().unwrap_or_default();
    violations.iter().map(|violation| violation.field.to_string()).collect()
}

#[test]
fn a_sound_layout_passes() {
    assert_eq!(hall(1, 1).validate(), Ok(()));
    assert_eq!(hall(10, 200).validate(), Ok(()));
    assert_eq!(hall(100, 20).validate(), Ok(()));
}

#[test]
fn sizes_are_limited() {
    assert_eq!(wrong(|l| l.categories.clear()), ["categories"]);
    assert_eq!(wrong(|l| l.categories = vec![l.categories[0].clone(); 21]), ["categories"]);
    assert_eq!(wrong(|l| l.rows.clear()), ["rows"]);
    assert_eq!(wrong(|l| l.rows[1].seats.clear()), ["rows[1].seats"]);
    assert_eq!(wrong(|l| *l = hall(101, 1)), ["rows"]);
    assert_eq!(wrong(|l| *l = hall(1, 201)), ["rows[0].seats"]);
    assert_eq!(wrong(|l| *l = hall(67, 30)), ["rows"]);
}

#[test]
fn texts_are_limited_in_characters_and_clean() {
    assert_eq!(wrong(|l| l.display_name = "Ü".repeat(100)), [""; 0]);
    assert_eq!(wrong(|l| l.display_name = "Ü".repeat(101)), ["display_name"]);
    assert_eq!(wrong(|l| l.categories[0].color = "red".to_owned()), ["categories[0].color"]);
    assert_eq!(wrong(|l| l.categories[0].color = "#12345g".to_owned()), ["categories[0].color"]);
    for label in ["", "a\0b", "a\nb", " a", &"a".repeat(21)] {
        assert_eq!(wrong(|l| l.rows[1].label = label.to_owned()), ["rows[1].label"], "{label:?}");
        assert_eq!(
            wrong(|l| l.rows[2].seats[3].label = label.to_owned()),
            ["rows[2].seats[3].label"],
            "{label:?}"
        );
    }
    assert_eq!(wrong(|l| l.rows[2].seats[3].label = "Ü".repeat(20)), [""; 0]);
}

#[test]
fn the_second_of_two_equal_names_is_refused() {
    assert_eq!(wrong(|l| l.categories.push(l.categories[0].clone())), ["categories[1].name"]);
    assert_eq!(wrong(|l| l.rows[2].label = l.rows[0].label.clone()), ["rows[2].label"]);
    assert_eq!(
        wrong(|l| l.rows[2].seats[1].label = l.rows[0].seats[3].label.clone()),
        ["rows[2].seats[1].label"]
    );
}

#[test]
fn a_collision_names_both_sides() {
    let mut layout = hall(2, 2);
    layout.rows[1].seats[1].label = layout.rows[0].seats[0].label.clone();
    let violations = layout.validate().unwrap_err();
    let told = violations[0].told(|place| format!("layout.{place}"));
    let fix = "choose another one, this is taken: see layout.rows[0].seats[0].label";
    assert_eq!(told, ("layout.rows[1].seats[1].label".to_owned(), fix.to_owned()));
}

#[test]
fn a_seat_needs_a_category_of_the_layout() {
    assert_eq!(wrong(|l| l.rows[0].seats[2].category = "Standard".to_owned()), ["rows[0].seats[2].category"]);
}

#[test]
fn seats_do_not_overlap() {
    let near = |dx, dy| {
        wrong(move |l| l.rows[1].seats.insert(2, seat("new", SeatKind::Standard, 100 + dx, 100 + dy)))
    };
    assert_eq!(near(49, 49), ["rows[1].seats[2].x"]);
    assert_eq!(near(0, 0), ["rows[1].seats[2].x"]);
    assert_eq!(near(50, 0), [""; 0]);
    assert_eq!(near(0, 50), [""; 0]);
    assert_eq!(wrong(|l| l.rows[2].seats[3].y = 101), ["rows[2].seats[3].x"]);
}

#[test]
fn a_row_is_listed_from_left_to_right() {
    assert_eq!(wrong(|l| l.rows[0].seats.swap(1, 2)), ["rows[0].seats[2].x"]);
}

#[test]
fn a_companion_belongs_to_a_wheelchair_space() {
    let companion = |of: &str| {
        wrong(|l| {
            l.rows[0].seats[0].kind = SeatKind::Wheelchair;
            l.rows[0].seats[1].kind = SeatKind::Companion;
            l.rows[0].seats[1].companion_of = of.to_owned();
        })
    };
    assert_eq!(companion("R0-0"), [""; 0]);
    for of in ["", "R0-1", "R0-2", "R9-9"] {
        assert_eq!(companion(of), ["rows[0].seats[1].companion_of"], "{of}");
    }
    let doubled = wrong(|l| {
        l.rows[0].seats[0].kind = SeatKind::Wheelchair;
        l.rows[0].seats[1].kind = SeatKind::Companion;
        l.rows[0].seats[1].companion_of = "R0-0".to_owned();
        l.rows[2].seats[3].label = "R0-0".to_owned();
    });
    assert_eq!(doubled, ["rows[2].seats[3].label"]);
    let on_another = wrong(|l| {
        l.rows[0].seats[0].kind = SeatKind::Wheelchair;
        l.rows[2].seats[0].companion_of = "R0-0".to_owned();
    });
    assert_eq!(on_another, ["rows[2].seats[0].companion_of"]);
}

#[test]
fn the_corners_of_the_plane_do_not_overflow() {
    let corners = [(i32::MIN, i32::MIN), (i32::MAX, i32::MAX)];
    let mut layout = hall(1, 2);
    for (seat, (x, y)) in layout.rows[0].seats.iter_mut().zip(corners) {
        (seat.x, seat.y) = (x, y);
    }
    assert_eq!(layout.validate(), Ok(()));
}

#[test]
fn every_seat_of_a_heap_is_named_and_it_takes_no_time() {
    let mut layout = hall(10, 200);
    for seat in layout.rows.iter_mut().flat_map(|row| &mut row.seats) {
        (seat.x, seat.y) = (7, 7);
    }
    assert_eq!(layout.validate().unwrap_err().len(), 1_999);
}

proptest! {
    #[test]
    fn overlaps_are_found_as_by_comparing_all_pairs(
        at in proptest::collection::vec((-300..300_i32, -300..300_i32), 1..40),
    ) {
        let mut at = at;
        at.sort_unstable();
        let overlap = at.iter().enumerate().any(|(i, a)| {
            at[..i].iter().any(|b| a.0.abs_diff(b.0) < NEAREST && a.1.abs_diff(b.1) < NEAREST)
        });
        let mut layout = hall(1, 1);
        layout.rows[0].seats =
            at.iter().enumerate().map(|(i, (x, y))| seat(&format!("S{i}"), SeatKind::Standard, *x, *y)).collect();
        prop_assert_eq!(layout.validate().is_err(), overlap);
    }

    #[test]
    fn what_is_refused_says_how_to_mend_it_and_repeats_nothing(
        label in "\\PC{0,30}",
        category in "\\PC{0,30}",
        of in "\\PC{1,30}",
    ) {
        let mut layout = hall(2, 3);
        layout.rows[1].seats[2] = Seat {
            label, category, kind: SeatKind::Companion, x: 200, y: 100, companion_of: of,
        };
        let violations = layout.validate().unwrap_err();
        for violation in violations {
            prop_assert!(violation.field.to_string().starts_with("rows[1].seats[2]."));
            prop_assert!(violation.fix.is_ascii() && violation.fix.len() < 120, "{}", violation.fix);
        }
    }
}
