"""The power goes at any moment: whatever was acknowledged is there."""

import json
import lzma
import random
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from rig import disk, power
from rig.account import Verdict
from rig.campaign import Campaign
from rig.plan import Plan
from rig.relay import NO_SYNC
from rig.untested import untested

CUTS_A_RECORDING = 50
MESSAGES = 1200
SECOND_CUT_SHARE = 0.2


@pytest.fixture(autouse=True)
def _can_cut():
    if why := disk.why_impossible():
        untested("power cuts were", why)


def keep(results, cut_image, cut, plan, verdict, log):
    """The disk as it was found at the start, and what the world knew: enough to try again."""
    folder = results / f"failed-{plan.seed}-{cut.index}-{cut.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with open(cut_image, "rb") as image, lzma.open(folder / "disk.img.xz", "wb", preset=0) as packed:
        shutil.copyfileobj(image, packed, 1 << 20)
    words = {"plan": plan.seed, "cut": str(cut), "events": cut.events}
    (folder / "cut.json").write_text(json.dumps(words))
    (folder / "verdict").write_text(f"{cut}\n{verdict}\n\n{log}")
    return folder


def try_cut(folder, cut, plan, results):
    """Recovers on a copy, so that a failure's disk can be kept as it was found."""
    found = folder / "found.img"
    shutil.copyfile(cut.path, found)
    try:
        recovered = power.recover(folder, cut, plan)
        verdict, log = recovered.verdict, recovered.log
    except (AssertionError, RuntimeError) as failure:  # the relay did not start, the file system was not mounted
        verdict, log = failure, ""
    is_good = isinstance(verdict, Verdict) and verdict.is_good
    if not is_good and results:
        kept = keep(results, found, cut, plan, verdict, log)
        pytest.fail(f"power cut at {cut}:\n{verdict}\nkept: ./dev crash --replay {kept}", pytrace=False)
    return verdict


def cut_often(folder, campaign, plan, count, rng, results):
    """One recording, `count` cuts of it; some of them are cut once more while the relay recovers."""
    recording = power.Recording(power.record(folder, plan, MESSAGES, flush_us=rng.choice((0, 500, 2000))))
    spool = json.loads((folder / "a.spool").read_text())
    print(f"segments used again: {spool['recycled']}, bytes copied together: {spool['copied_bytes']}", flush=True)
    assert spool["recycled"] > 0 and spool["copied_bytes"] > 0, "neither recycling nor compaction was recorded"
    try:
        for cut in recording.cuts(recording.cut_points(rng, count), folder):
            is_twice = rng.random() < SECOND_CUT_SHARE
            if is_twice:
                cut = cut_again(folder, cut, rng)
            verdict = try_cut(folder, cut, plan, results)
            campaign.note(verdict, cut=str(cut), plan=plan.seed, twice=is_twice)
    finally:
        recording.close()
        recording.log_path.unlink()


def cut_again(folder, cut, rng):
    """The power goes once more, while the relay recovers from the first cut."""
    again = power.record_recovery(folder, cut, "b", rng)
    try:
        with closing(again.cuts(again.cut_points(rng, 1), folder)) as cuts:
            return next(cuts)
    finally:
        again.close()
        again.log_path.unlink()
        again.before.unlink()


def test_what_was_acknowledged_survives_power_cuts(request, folder, results, seed):
    if request.config.option.replay:
        pytest.skip("only a replay was asked for")
    campaign = Campaign(results, "cuts", request.config.option.resume)
    cuts = request.config.option.cuts
    while campaign.done < cuts:
        plan_seed = seed + campaign.done
        count = min(CUTS_A_RECORDING, cuts - campaign.done)
        cut_often(folder, campaign, Plan(plan_seed), count, random.Random(plan_seed), results)
        print(campaign, flush=True)
    assert campaign.total("acknowledged") > 100 * cuts, f"the load was too light to mean much: {campaign}"
    assert campaign.total("lost") == 0 and campaign.total("wrong") == 0


def lost_in_ten_cuts(folder, plan, env, ignores_flushes, seed):
    """For each of ten cuts how many acknowledged messages were lost; None if nothing could be recovered at all."""
    rng = random.Random(seed)
    recording = power.Recording(power.record(folder, plan, 500, env=env), ignores_flushes=ignores_flushes)
    losses = []
    for cut in recording.cuts(recording.cut_points(rng, 10), folder):
        verdict = try_cut(folder, cut, plan, None)
        losses.append(len({number for number, _ in verdict.lost}) if isinstance(verdict, Verdict) else None)
    recording.close()
    recording.log_path.unlink()
    print(f"messages lost: {losses}")
    return losses


def test_control_the_relay_without_sync_loses_mail(folder, seed):
    losses = lost_in_ten_cuts(folder, Plan(seed), {"LD_PRELOAD": str(NO_SYNC)}, False, seed)
    assert sum(1 for lost in losses if lost) >= 3, f"these tests would not notice if nothing was ever synced: {losses}"


def test_control_a_disk_that_ignores_flushes_loses_mail(folder, seed):
    losses = lost_in_ten_cuts(folder, Plan(seed), {}, True, seed)
    assert sum(1 for lost in losses if lost != 0) >= 3, f"the simulator keeps what was not flushed: {losses}"


def test_a_kept_failure_again(request, folder):
    if not request.config.option.replay:
        pytest.skip("no --replay")
    kept = Path(request.config.option.replay)
    words = json.loads((kept / "cut.json").read_text())
    image = folder / "cut.img"
    with lzma.open(kept / "disk.img.xz", "rb") as packed, open(image, "wb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)
    cut = power.Cut(0, "kept", 0, image, words["events"], 0, 0)
    verdict = power.recover(folder, cut, Plan(words["plan"])).verdict
    assert verdict.is_good, f"{words['cut']}\n{verdict}"
