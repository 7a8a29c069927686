import pytest
from harness.posthouse import BINARY, Posthouse
from harness.receiver import Receiver
from harness.servers import AioSmtpd, Exim, OpenSmtpd, Postfix, SmtpSink

PEERS = {kind.name: kind for kind in (SmtpSink, AioSmtpd, Postfix, Exim, OpenSmtpd)}


def pytest_report_header():
    return f"relay: {BINARY}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


@pytest.fixture
def relay(request):
    """relay(routes, table={...}) starts a Posthouse; at the end of the test each must stop soundly."""
    made = []

    def make(routes=(), *, start=True, **tables):
        posthouse = Posthouse(routes, **tables)
        made.append(posthouse)
        return posthouse.start() if start else posthouse

    yield make
    check = not getattr(request.node, "failed", False)
    failures = []
    for posthouse in made:
        try:
            posthouse.close(check)
        except Exception as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture
def receiver():
    with Receiver() as one:
        yield one


@pytest.fixture
def second_receiver():
    with Receiver() as one:
        yield one


@pytest.fixture(scope="session")
def peer():
    """peer(name): the real server of that name, started at the first call."""
    running = {}

    def get(name):
        if name not in running:
            server = PEERS[name]()
            server.start()
            running[name] = server
        return running[name]

    yield get
    for server in running.values():
        server.stop()
