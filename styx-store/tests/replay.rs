//! Folding a log up to a position gives the world as it was then, and what is damaged on the way is named.

use styx_core::{
    id::Position,
    log::{Log, LogError},
    world::World,
};
use styx_store::{RocksLog, conformance::Story, rocks::Replay};

#[test]
fn each_moment_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut story = Story::new(7);
    let mut log = RocksLog::open(dir.path()).unwrap();
    let epoch = log.begin_epoch().unwrap();
    while story.tail().0 < 3_000 {
        let tail = story.tail();
        log.append(epoch, tail, &story.next_batch(epoch, 40)).unwrap();
    }
    let reader = log.rocks_reader();
    let mut replay = Replay::new(&reader);
    let mut world = World::default();
    let mut visited = 0;
    for (number, record) in story.records().iter().enumerate() {
        world.apply(record).unwrap();
        if [0, 1, 1_023, 1_024, 1_500, 2_999].contains(&number) {
            let mut visit = |record: &_, _: &_| {
                assert_eq!(record, &story.records()[visited]);
                visited += 1;
            };
            replay.advance(record.position, &mut visit).unwrap();
            assert_eq!(replay.world(), &world);
            // Nothing goes back.
            replay.advance(Position::FIRST, &mut |_, _| panic!("nothing to do")).unwrap();
            assert_eq!(replay.world(), &world);
        }
    }
    let behind = story.tail().next();
    let missing = LogError::at_record(behind, "it is missing");
    assert_eq!(replay.advance(behind, &mut |_, _| {}), Err(missing));
    assert_eq!(replay.world(), story.world());
}
