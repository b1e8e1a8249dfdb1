use proptest::prelude::*;

use super::*;
use crate::layout::{Category, Seat};

/// A row drawn with one letter per seat: `.` ordinary, `b` ordinary of category "balcony", `w` a wheelchair space, `c`
/// the companion seat of the nearest space before it, and a blank for an aisle.
fn layout(rows: &[&str]) -> Layout {
    let mut drawn = Vec::new();
    for (y, text) in rows.iter().enumerate() {
        let mut space = String::new();
        let mut seats = Vec::new();
        for (x, letter) in text.chars().enumerate() {
            let label = format!("{}-{}", y + 1, x + 1);
            let (kind, companion_of) = match letter {
                ' ' => continue,
                'w' => {
                    space.clone_from(&label);
                    (SeatKind::Wheelchair, String::new())
                }
                'c' => (SeatKind::Companion, space.clone()),
                'p' => (SeatKind::Premium, String::new()),
                _ => (SeatKind::Standard, String::new()),
            };
            let category = if letter == 'b' { "balcony" } else { "stalls" }.to_owned();
            let (x, y) = (i32::try_from(x).unwrap() * 100, i32::try_from(y).unwrap() * 120);
            seats.push(Seat { label, category, kind, x, y, companion_of });
        }
        drawn.push(Row { label: (y + 1).to_string(), seats });
    }
    let category = |name: &str| Category { name: name.to_owned(), color: "#000000".to_owned() };
    Layout {
        display_name: "drawn".to_owned(),
        categories: vec![category("stalls"), category("balcony")],
        rows: drawn,
    }
}

fn plan(rows: &[&str]) -> SeatingPlan {
    SeatingPlan::new(&layout(rows), false)
}

fn set(seats: &[SeatIndex]) -> SeatSet {
    seats.iter().copied().collect()
}

fn check(rows: &[&str], choice: &[SeatIndex], taken: &[SeatIndex]) -> Result<(), Refusal> {
    plan(rows).check(&set(choice), &set(taken), &SeatSet::default())
}

#[test]
fn a_choice_that_leaves_a_seat_alone_is_refused() {
    assert_eq!(check(&["......"], &[1], &[]), Err(Refusal::Orphan(0)));
    assert_eq!(check(&["......"], &[4], &[]), Err(Refusal::Orphan(5)));
    assert_eq!(check(&["......"], &[2], &[0]), Err(Refusal::Orphan(1)));
    assert_eq!(check(&["......"], &[0, 2], &[]), Err(Refusal::Orphan(1)));
    assert_eq!(check(&["......"], &[0], &[]), Ok(()));
    assert_eq!(check(&["......"], &[2, 3], &[]), Ok(()));
}

#[test]
fn an_aisle_and_an_accessible_seat_end_a_segment() {
    assert_eq!(check(&["... ..."], &[1, 2], &[]), Ok(()), "one of three is left however two are chosen");
    assert_eq!(check(&[".... .."], &[2, 3], &[]), Ok(()));
    assert_eq!(check(&[".... .."], &[1], &[]), Err(Refusal::Orphan(0)));
    assert_eq!(check(&["....w..."], &[2], &[]), Err(Refusal::Orphan(3)));
    assert_eq!(check(&["....w..."], &[4], &[]), Ok(()), "a wheelchair space leaves nobody alone");
}

#[test]
fn a_buyer_without_a_choice_is_not_refused() {
    assert_eq!(check(&["......"], &[3], &[2, 4]), Ok(()), "it was alone before");
    assert_eq!(check(&["......"], &[3], &[2, 5]), Ok(()), "one of two is left either way");
    assert_eq!(check(&["......"], &[2, 4], &[1, 5]), Ok(()), "one of three is left whichever two are chosen");
    assert_eq!(check(&["......"], &[5], &[1, 3, 4]), Ok(()), "seats alone before stay so");
}

#[test]
fn a_hall_can_allow_orphans() {
    let plan = SeatingPlan::new(&layout(&["......"]), true);
    assert_eq!(plan.check(&set(&[1, 3]), &SeatSet::default(), &SeatSet::default()), Ok(()));
    let wish = Wish { count: 1, category: None, together: true };
    assert_eq!(plan.best_available(wish, &set(&[0, 1, 3, 4, 5])), Some(vec![2]));
    assert_eq!(plan.best_available(wish, &set(&[0])), Some(vec![2]), "nearest to the middle");
}

#[test]
fn a_companion_seat_needs_its_wheelchair_space() {
    let plan = plan(&["..wc.."]);
    let alone = Err(Refusal::CompanionAlone { companion: 3, wheelchair: 2 });
    assert_eq!(plan.check(&set(&[3]), &SeatSet::default(), &SeatSet::default()), alone);
    assert_eq!(plan.check(&set(&[3]), &set(&[2]), &SeatSet::default()), alone, "another buyer has the space");
    assert_eq!(plan.check(&set(&[3]), &set(&[2]), &set(&[2])), Ok(()));
    assert_eq!(plan.check(&set(&[2, 3]), &SeatSet::default(), &SeatSet::default()), Ok(()));
    assert_eq!(plan.check(&set(&[2]), &SeatSet::default(), &SeatSet::default()), Ok(()));
}

#[test]
fn the_best_seats_are_in_the_middle_two_thirds_to_the_back() {
    let rows = [".........."; 10];
    let plan = plan(&rows);
    let best = |count, together| {
        plan.best_available(Wish { count, category: None, together }, &SeatSet::default()).unwrap()
    };
    assert_eq!(best(2, true), [64, 65]);
    assert_eq!(best(2, false), [64, 65]);
    assert_eq!(best(4, true), [63, 64, 65, 66]);
}

#[test]
fn a_wish_for_a_category_is_kept_and_an_unknown_one_has_no_seats() {
    let plan = plan(&["....", "bbbb", "...."]);
    let wish = |category| Wish { count: 4, category: Some(category), together: false };
    assert_eq!(plan.best_available(wish("balcony"), &SeatSet::default()), Some(vec![4, 5, 6, 7]));
    assert_eq!(plan.best_available(wish("box"), &SeatSet::default()), None);
}

#[test]
fn two_thousand_seats_at_the_outermost_coordinates_do_not_overflow() {
    let mut layout = layout(&[".".repeat(200).as_str(); 10]);
    layout.rows[0].seats[0].x = i32::MIN;
    layout.rows[9].seats[199].x = i32::MAX;
    layout.rows[9].seats[0].y = i32::MAX;
    layout.rows[0].seats[1].y = i32::MIN;
    let plan = SeatingPlan::new(&layout, true);
    let wish = Wish { count: MOST_PER_BUYER, category: None, together: false };
    assert_eq!(plan.best_available(wish, &SeatSet::default()).unwrap().len(), MOST_PER_BUYER);
}

fn rows() -> impl Strategy<Value = Vec<String>> {
    let letter = prop_oneof![8 => Just('.'), 1 => Just('p'), 2 => Just('b'), 1 => Just('w'), 1 => Just(' ')];
    let row = proptest::collection::vec(letter, 1..7).prop_map(|row| row.into_iter().collect::<String>());
    let row = row.prop_filter("a row has a seat", |row: &String| !row.trim().is_empty());
    proptest::collection::vec(row, 1..4)
}

/// Every choice of `count` free ordinary seats of the category that keeps the rules.
fn choices(plan: &SeatingPlan, layout: &Layout, wish: Wish<'_>, taken: &SeatSet) -> Vec<SeatSet> {
    let seats: Vec<&Seat> = layout.rows.iter().flat_map(|row| &row.seats).collect();
    let wanted: Vec<SeatIndex> = (0..seats.len())
        .filter(|seat| !taken.contains(*seat) && seats[*seat].kind != SeatKind::Wheelchair)
        .filter(|seat| wish.category.is_none_or(|category| seats[*seat].category == category))
        .collect();
    (0_u32..1 << wanted.len())
        .filter(|bits| bits.count_ones() as usize == wish.count)
        .map(|bits| {
            wanted.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, seat)| *seat).collect()
        })
        .filter(|choice: &SeatSet| !wish.together || adjacent(layout, choice))
        .filter(|choice| plan.check(choice, taken, &SeatSet::default()).is_ok())
        .collect()
}

fn adjacent(layout: &Layout, choice: &SeatSet) -> bool {
    let mut first = 0;
    let mut blocks = Vec::new();
    for row in &layout.rows {
        for block in row.blocks() {
            blocks.push(first + block.start..first + block.end);
        }
        first += row.seats.len();
    }
    let seats: Vec<SeatIndex> = choice.iter().collect();
    let neighbours = seats.windows(2).all(|pair| pair[1] == pair[0] + 1);
    neighbours && blocks.iter().any(|block| seats.iter().all(|seat| block.contains(seat)))
}

fn distance(plan: &SeatingPlan, seats: impl IntoIterator<Item = SeatIndex>) -> u128 {
    seats.into_iter().map(|seat| plan.seats[seat].distance).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// What is found keeps every rule and is as near as any choice can be; where nothing is found, there is nothing.
    #[test]
    fn the_best_is_what_trying_every_choice_finds(
        rows in rows(),
        taken in proptest::collection::vec(0_usize..18, 0..8),
        count in 1_usize..5,
        balcony in any::<bool>(),
        together in any::<bool>(),
        allow_orphans in any::<bool>(),
    ) {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let layout = layout(&rows);
        let plan = SeatingPlan::new(&layout, allow_orphans);
        let taken: SeatSet = taken.into_iter().filter(|seat| *seat < plan.len()).collect();
        let wish = Wish { count, category: balcony.then_some("balcony"), together };
        let all = choices(&plan, &layout, wish, &taken);
        let nearest = all.iter().map(|choice| distance(&plan, choice.iter())).min();
        let found = plan.best_available(wish, &taken);
        prop_assert_eq!(found.as_ref().map(|seats| distance(&plan, seats.iter().copied())), nearest);
        if let Some(found) = found {
            let found: SeatSet = found.into_iter().collect();
            prop_assert!(all.iter().any(|choice| choice.iter().eq(found.iter())));
        }
    }

    /// Whoever may take seats of a gap one at a time from its end is never refused, and no accepted choice makes a
    /// single free seat out of a gap of which two or more are left.
    #[test]
    fn a_gap_can_always_be_filled_from_its_end(length in 3_usize..12, taken in 0_usize..12) {
        let row = ".".repeat(length);
        let plan = plan(&[row.as_str()]);
        let taken: SeatSet = (0..taken.min(length - 1)).collect();
        let next = taken.len();
        prop_assert_eq!(plan.check(&set(&[next]), &taken, &SeatSet::default()), Ok(()));
    }
}
