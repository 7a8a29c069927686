"""kill -9 at any moment, again and again, on the same spool."""

import random
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from harness.wait import until
from rig.account import Account, Judge, parse
from rig.campaign import Campaign
from rig.hops import Hops
from rig.load import Load
from rig.plan import OFF_DOMAIN, SMALL_SIZES, Plan
from rig.relay import BUILD, Relay

KILLS_AN_EPISODE = 100


@pytest.fixture
def disk_folder():
    """On a real disk: memory syncs in no time, so that no kill would ever hit the middle of a sync."""
    name = tempfile.mkdtemp(prefix="kill-", dir=BUILD)
    yield Path(name)
    shutil.rmtree(name)


def kill_often(folder, plan, kills, rng, while_dead=lambda relay, account: None):
    """Kills under load; then everything may end. The verdict, what was said, and what is in quarantine."""
    path = folder / "account"
    account = Account(path)
    with Hops(account) as hops:
        relay = Relay(folder / "spool", hops.routes())
        load = None
        try:
            relay.start()
            load = Load(relay.port, plan, path, 0, 1_000_000, 8, folder / "load.log")
            for kill in range(kills):
                taken = hops.taken
                until(lambda: hops.taken > taken, lambda: f"mail flows again: {relay.log()[-2000:]}", 20)
                time.sleep(rng.uniform(0, 0.25))  # the moment is chance
                relay.kill()
                account.note("K", "kill")
                assert load.is_running(), load.child.log()
                while_dead(relay, account)
                if kill == kills // 2:
                    hops.switch_on()
                (relay.launch if rng.random() < 0.2 and kill + 1 < kills else relay.start)()
                if not relay.child.log().count(" ready"):  # killed while it starts
                    time.sleep(rng.uniform(0, 0.05))
                    relay.kill()
                    account.note("K", "start")
                    relay.start()
            load.stop()
            hops.accepts_all = True
            relay.flush(OFF_DOMAIN)
            relay.wait_until_empty(120)
            relay.stop()
            quarantined = relay.quarantined()
        finally:
            if load:
                load.stop()
            log = relay.log()[-20000:]
            relay.discard()
    account.close()
    return Judge(parse(path.read_text(errors="replace")), plan).judge(), log, quarantined


def test_kill_9_at_any_moment(request, disk_folder, results, seed):
    if request.config.option.replay:
        pytest.skip("only a replay was asked for")
    campaign = Campaign(results, "kills", request.config.option.resume)
    kills = request.config.option.kills
    while campaign.done < kills:
        count = min(KILLS_AN_EPISODE, kills - campaign.done)
        plan_seed = seed + campaign.done
        folder = disk_folder / str(campaign.done)
        folder.mkdir()
        verdict, log, quarantined = kill_often(
            folder, Plan(plan_seed, SMALL_SIZES), count, random.Random(plan_seed)
        )
        assert not quarantined, "a kill is no damage"
        assert verdict.is_good, f"{verdict}\n{log}"
        assert verdict.acknowledged > 10 * count, f"the load was too light to mean much: {verdict}"
        campaign.note(verdict, count, plan=plan_seed)
        print(campaign, flush=True)
        shutil.rmtree(folder)
