"""Without consent nothing is shown, and nothing is kept."""

import pytest

from ledig_client import App
from store_reader import stored
from test_provisioning import Office
from test_router import is_problem


async def test_without_consent_one_is_unknown_and_cannot_set(make_company):
    company = make_company(consent=["ola"])
    ola, kari = await company.app("ola"), await company.app("kari")
    assert (await kari.refused("set", status="busy", note="hemmelig"))["code"] == "consent_required"
    for app in (ola, kari):
        members, answer = await app.ask(users=["kari"])
        row = members.get("kari")
        assert row is None or (row["availability"], row["presence"], row["note"], row["last_active"]) == ("unknown", None, None, None)
        assert [p[0] for p in answer["profiles"]] == ["kari"]
    assert [c for c in kari.me["consents"] if c[1]] == [] and not kari.me.get("status")
    assert company.route("kari")["action"] == "ring", "a router is told to ring"
    assert company.route("kari")["availability"] == "unknown"
    assert all(r["availability"] == "unknown" for r in ola.rows_since(0, "kari"))


async def test_consent_makes_visible_at_once_with_the_device_that_is_there(make_company):
    company = make_company(consent=["ola"])
    ola, kari = await company.app("ola"), await company.app("kari")
    ok = await kari.ok("consent", purpose="presence", granted=True, text="2024-1")
    assert ok["version"] > 0
    await ola.sees("kari", availability="available", presence="active")
    await kari.until(lambda: [c[:3] for c in kari.me["consents"]] == [["presence", True, "2024-1"]], "me has the consent")
    await kari.set("busy", note="nå går det")
    await ola.sees("kari", availability="busy", note="nå går det")


async def test_withdrawal_makes_unknown_everywhere_and_destroys_what_was_set(company):
    kari, second, ola = await company.app("kari"), await company.app("kari", device="phone"), await company.app("ola")
    await kari.set("busy", note="til legen", forward="nina")
    await ola.sees("kari", note="til legen")
    await kari.ok("consent", purpose="presence", granted=False, text="v1")
    for app in (ola, second, kari):
        await app.until(lambda: app.members.get("kari") is None or app.members["kari"]["availability"] == "unknown", "unknown")
        row = app.members.get("kari")
        assert row is None or (row["note"], row["presence"], row["until"], row["activity"], row["last_active"]) == (None,) * 5
    assert "kari" in ola.profiles, "a profile stays"
    assert company.route("kari")["availability"] == "unknown"
    assert (await kari.refused("set", status="busy"))["code"] == "consent_required"
    await second.until(lambda: not second.me.get("note") and not second.me["consents"][0][1], "me without the facts")
    # a new consent begins from nothing
    await kari.ok("consent", purpose="presence", granted=True, text="v2")
    row = await ola.sees("kari", availability="available")
    assert row["note"] is None
    assert company.route("kari")["action"] == "ring"


async def test_devices_leave_no_trace_without_consent(make_company):
    company = make_company(consent=["ola"])
    ola = await company.app("ola")
    mark = ola.mark()
    kari = await company.app("kari")
    await kari.ok("device", state="idle")
    await kari.ok("device", state="active")
    nina = await company.app("nina")
    await nina.ok("consent", purpose="presence", granted=True, text="v1")
    await ola.sees("nina", presence="active")  # a fence
    assert ola.rows_since(mark, "kari") == []


async def test_consent_given_twice_changes_nothing(company):
    kari, ola = await company.app("kari"), await company.app("ola")
    await ola.sees("kari", presence="active")
    mark = ola.mark()
    await kari.ok("consent", purpose="presence", granted=True, text="v1")
    nina = await company.app("nina")
    await nina.set("busy", note="fence")
    await ola.sees("nina", note="fence")
    assert ola.rows_since(mark, "kari") == []
    assert not any(kari_row[0] == "kari" for m in ola.frames[mark:] for kari_row in m.get("profiles") or [])


async def test_withdrawal_is_kept_by_one_who_resumes(company):
    ola, kari = await company.app("ola"), await company.app("kari")
    await kari.set("busy", note="hemmelig")
    await ola.sees("kari", note="hemmelig")
    ola.cut()
    await kari.ok("consent", purpose="presence", granted=False, text="v1")
    back = await App.connect(company.broker.url)
    back.inherit(ola)
    await back.hello(company.token("ola"), resume=ola.resume())
    await back.until(lambda: back.members.get("kari") is None or back.members["kari"]["availability"] == "unknown")


@pytest.mark.parametrize("field, request_fields", [
    ("purpose", dict(purpose="surveillance", granted=True, text="v1")),
    ("granted", dict(purpose="presence", granted="yes", text="v1")),
    ("text", dict(purpose="presence", granted=True)),
])
async def test_a_wrong_consent_is_refused_and_names_the_field(company, field, request_fields):
    kari = await company.app("kari")
    error = await kari.refused("consent", **request_fields)
    assert (error["code"], error["field"]) == ("bad_request", field)


async def test_a_new_text_asks_again_and_what_was_given_stands_until_then(company):
    office, kari, ola = Office(company), await company.app("kari"), await company.app("ola")
    await kari.set("busy", note="står")
    await ola.sees("kari", note="står")
    assert "asks" not in kari.me
    office.done("PATCH", "", dict(consent_texts=dict(presence="v2", call_history="v1")))
    await kari.until(lambda: sorted(kari.me.get("asks") or []) == ["call_history", "presence"], "asked again")
    assert office.done("GET", "")["consent_texts"] == dict(presence="v2", call_history="v1")
    assert ola.members["kari"]["note"] == "står", "nothing is taken away meanwhile"
    await kari.ok("consent", purpose="presence", granted=True, text="v2", language="en")
    await kari.until(lambda: kari.me.get("asks") == ["call_history"], "presence is answered")
    assert ola.members["kari"]["note"] == "står"
    later = await company.app("kari", device="another")
    assert later.me["asks"] == ["call_history"] and ["presence", True, "v2"] in [c[:3] for c in later.me["consents"]]
    await kari.ok("consent", purpose="call_history", granted=False, text="v1", language="en")
    await kari.until(lambda: not kari.me.get("asks"), "a no is an answer too")
    await kari.ok("consent", purpose="presence", granted=False, text="v2")
    await kari.until(lambda: ["presence", False] in [c[:2] for c in kari.me["consents"]], "withdrawn")
    office.done("PATCH", "", dict(consent_texts=dict(presence="v3")))
    await ola.until(lambda: ola.me.get("asks") == ["presence"], "the others are asked")
    assert not kari.me.get("asks"), "who has said no is left in peace"


@pytest.mark.parametrize("texts", ["v1", {"surveillance": "v1"}, {"presence": ""}, {"presence": 7}, {"presence": "x" * 33}])
def test_texts_of_the_wrong_form_are_refused(company, texts):
    is_problem(Office(company).http("PATCH", "", dict(consent_texts=texts)), 400, "bad_request", "consent_texts")


@pytest.mark.parametrize("purpose", ["analytics", "marketing"])
async def test_each_purpose_is_a_consent_of_its_own(company, purpose):
    kari = await company.app("kari")
    await kari.ok("consent", purpose=purpose, granted=True, text="v3", language="nb")
    await kari.until(lambda: [purpose, True, "v3"] in [c[:3] for c in kari.me["consents"]], "me has it")
    kept = next(c for c in stored(company.broker, company.id, "profile", "kari")["c"] if c["p"] == purpose)
    assert (kept["g"], kept["t"], kept["l"], kept["d"]) == (True, "v3", "nb", "d1") and kept["a"] > 0
    await kari.ok("consent", purpose=purpose, granted=False, text="v3", language="nb")
    await kari.until(lambda: [purpose, False, "v3"] in [c[:3] for c in kari.me["consents"]], "me has the withdrawal")
    assert ["presence", True, "v1"] in [c[:3] for c in kari.me["consents"]], "the others stand"
