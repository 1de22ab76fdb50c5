"""A session lasts as long as its token: it is warned, may send a fresh one, and is closed at the end of the last."""

import pytest

from broker_process import unique
from ledig_client import App, Router
from test_login import log_in, post, refresh, set_first


def warnings(app):
    return [message for message in app.errors if message["code"] == "unauthorized" and message.get("expires_at")]


async def connect(company, token, device="d1"):
    app = await App.connect(company.broker.url, "msgpack")
    await app.hello(token, device=device)
    return app


async def connect_router(broker, token):
    router = await Router.connect(broker.router_url.replace("http", "ws", 1) + "/v1", "json")
    await router.hello(token, unique("pbx"))
    return router


async def test_a_session_is_warned_and_ends_with_its_token(company):
    app = await connect(company, company.token("kari", ttl="5s"))
    await app.until(lambda: warnings(app), "a warning")
    assert not app.closed, "and nothing else happened"
    await app.set("busy")
    assert await app.until_closed() == 4401
    assert len(warnings(app)) == 1, "one is enough"


async def test_a_fresh_token_keeps_the_session(company):
    app = await connect(company, company.token("kari", ttl="5s"))
    ends_at = (await app.until(lambda: warnings(app), "a warning"))[0]["expires_at"]
    await app.ok("token", token=company.token("kari", ttl="40s"))
    other = await connect(company, company.token("ola"))
    await other.until(lambda: other.members, "the state")
    while (app.place or {}).get("now", 0) < ends_at + 500:  # the broker's own time has gone past the old end
        await other.set("busy", note=unique("n"))
        await app.until(lambda: app.members["ola"]["note"], "news")
        mark = app.mark()
        await app.until(lambda: app.mark() > mark, "the next frame")
    assert not app.closed
    await app.set("away")


async def test_the_warning_comes_anew_with_each_token(company):
    app = await connect(company, company.token("kari", ttl="4s"))
    await app.until(lambda: warnings(app), "a warning")
    await app.ok("token", token=company.token("kari", ttl="8s"))
    await app.until(lambda: len(warnings(app)) == 2, "another warning")
    assert await app.until_closed() == 4401


@pytest.mark.parametrize("make, code", [
    (lambda c: "no.such.token", "unauthorized"), (lambda c: c.token("ola"), "forbidden"),
    (lambda c: c.token("kari", "router"), "forbidden"), (lambda c: c.token("kari", "operator"), "forbidden"),
    (lambda c: c.broker.token("kari", unique("other"), "admin"), "forbidden"),
    (lambda c: c.token("kari")[:-2], "unauthorized"),
], ids=["nonsense", "another person", "a router", "an operator", "another company", "cut"])
async def test_a_token_that_is_not_good_changes_nothing(company, make, code):
    app = await connect(company, company.token("kari"))
    assert (await app.refused("token", token=make(company)))["code"] == code
    await app.set("busy")


async def test_a_device_goes_on_with_its_next_access_token(company):
    first = set_first(company, "kari").json
    app = await connect(company, first["token"], "phone-1")
    second = refresh(company, first["refresh"]).json
    await app.ok("token", token=second["token"])
    assert post(company.broker, "/v1/logout", token=second["token"]).status == 204
    assert (await app.until_closed()) == 4401, "and logging out ends it as before"


async def test_a_log_in_of_a_moment_ago_is_good_and_one_that_ended_is_not(company):
    first = set_first(company, "kari").json
    app = await connect(company, first["token"], "phone-1")
    desk = log_in(company, "kari", device={"id": "desk", "kind": "desktop"}).json
    await app.ok("token", token=desk["token"])
    assert post(company.broker, "/v1/logout", token=first["token"]).status == 204
    await app.set("busy")  # it hangs on the other log-in now
    assert (await app.refused("token", token=first["token"]))["code"] == "unauthorized"


async def test_a_router_renews_too(broker, company):
    router = await connect_router(broker, company.token("pbx", "router", ttl="5s"))
    await router.until(lambda: warnings(router), "a warning")
    await router.ok("token", token=company.token("pbx", "router", ttl="9s"))
    for token, code in ((company.token("other", "router"), "forbidden"), ("x.y.z", "unauthorized"),
                        (broker.token("pbx", "*", "router"), "forbidden"), (company.token("pbx"), "forbidden")):
        assert (await router.refused("token", token=token))["code"] == code
    await router.until(lambda: len(warnings(router)) == 2, "the next warning")
    await router.route("+4799999999")
    assert await router.until_closed() == 4401


async def test_every_worker_ends_sessions(start_broker, make_company):
    broker = start_broker(workers=2)
    company = make_company(broker=broker)
    apps = [await connect(company, company.token("kari", ttl="4s"), f"d{i}") for i in range(6)]
    for app in apps:
        assert await app.until_closed() == 4401
