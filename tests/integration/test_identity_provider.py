"""A company's own identity provider: its tokens get its people in, and no other token does (RFC 8725)."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from broker_process import unique, wait_until
from conftest import person
from ledig_client import App, Refused

ISSUER, AUDIENCE = "https://login.fjord.example", "ledig"
SECRET = "en hemmelighet som bare fjord og ledig kjenner".encode()


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


class Key:
    """One key of a provider: signs tokens, and says what is published of it."""

    def __init__(self, alg, private, kid="k1"):
        self.alg, self.private, self.kid = alg, private, kid

    def jwk(self, **more):
        if self.alg == "HS256":
            found = dict(kty="oct", k=b64(self.private))
        else:
            kind = jwt.algorithms.RSAAlgorithm if self.alg == "RS256" else None
            if kind:
                found = {k: v for k, v in json.loads(kind.to_jwk(self.private.public_key())).items() if k in ("kty", "n", "e")}
            else:
                point = self.private.public_key().public_numbers()
                found = dict(kty="EC", crv="P-256", x=b64(point.x.to_bytes(32, "big")), y=b64(point.y.to_bytes(32, "big")))
        return dict(found, kid=self.kid, use="sig", alg=self.alg) | more

    def pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM,
                                                      serialization.PublicFormat.SubjectPublicKeyInfo)

    def token(self, head=None, drop=(), **more):
        now = int(time.time())
        claims = dict(iss=ISSUER, aud=AUDIENCE, sub="kari", iat=now, exp=now + 600) | more
        for name in drop:
            del claims[name]
        headers = {"kid": self.kid} | (head or {})
        if headers["kid"] is None:
            del headers["kid"]
        return jwt.encode(claims, self.private, algorithm=self.alg, headers=headers)


RSA = Key("RS256", rsa.generate_private_key(65537, 2048))
EC = Key("ES256", ec.generate_private_key(ec.SECP256R1()))
OCT = Key("HS256", SECRET)


def put(company, *keys, status=(200, 201), **more):
    body = dict(issuer=ISSUER, audience=AUDIENCE, keys=dict(keys=[k.jwk() if isinstance(k, Key) else k for k in keys])) | more
    answer = company.broker.http("PUT", f"/v1/companies/{company.id}/identity", body=body,
                                 token=company.token("boss", "admin"))
    assert answer.status in ((status,) if isinstance(status, int) else status), (answer.status, answer.body)
    return answer


def tell(company, method="GET"):
    return company.broker.http(method, f"/v1/companies/{company.id}/identity", token=company.token("boss", "admin"))


async def join(at, token, **hello):
    app = await App.connect(at.broker.url, "json")
    await app.hello(token, live=False, **(dict(company=at.id) | hello))
    return app


async def refused(at, token, **hello):
    app = await App.connect(at.broker.url, "json")
    with pytest.raises(Refused) as refusal:
        await app.hello(token, live=False, **(dict(company=at.id) | hello))
    return refusal.value.error["code"], await app.until_closed()


OUT = ("unauthorized", 4401)


@pytest.fixture
def firm(make_company):
    company = make_company(consent=False)
    put(company, RSA)
    return company


# ---- Getting in ----

@pytest.mark.parametrize("key", [RSA, EC, OCT], ids=lambda key: key.alg)
async def test_a_token_of_the_provider_gets_in(make_company, key):
    company = make_company(consent=False)
    assert await refused(company, key.token()) == OUT, "before it has one"
    put(company, key)
    app = await join(company, key.token(aud=["other", AUDIENCE], nbf=int(time.time())))
    assert app.welcome["user"] == "kari" and app.welcome["company"] == company.id
    await app.ok("consent", purpose="presence", granted=True, text="v1")
    await app.set("busy")


async def test_the_user_may_stand_in_a_claim_of_its_own(make_company):
    company = make_company(consent=False)
    put(company, RSA, user_claim="ledig_user")
    app = await join(company, RSA.token(sub="00u8f3|x", ledig_user="ola"))
    assert app.welcome["user"] == "ola"
    assert await refused(company, RSA.token()) == OUT, "the claim is not there"
    for user in ("Ola", "ola@fjord.example", "", 7, None, ["ola"], "../ola"):
        assert await refused(company, RSA.token(ledig_user=user)) == OUT, user
    assert (await refused(company, RSA.token(ledig_user="nobody")))[1] == 4403


async def test_the_role_is_the_profiles_or_that_of_a_claim(make_company):
    company = make_company(consent=False, rows=[person("kari", role="lead"), person("ola")])
    path = f"/v1/companies/{company.id}"

    async def sets_others(token):
        app = await join(company, token, device=unique("d"))
        code = (await app.request("set", status="busy", user="ola")).get("code")
        assert code in ("forbidden", "consent_required")
        return code != "forbidden"

    put(company, RSA)
    assert await sets_others(RSA.token()), "kari is a lead"
    assert company.broker.http("GET", path, token=RSA.token(roles=["admin"])).status == 403, "which nobody asked for"
    put(company, RSA, role_claim="roles")
    while await sets_others(RSA.token()):
        pass  # the worker hears of it by the doorbell
    assert await sets_others(RSA.token(roles="switchboard"))
    assert company.broker.http("GET", path, token=RSA.token(roles=["member", "admin"])).status == 200
    for roles in ("operator", "router", ["operator", "router"], ["ADMIN"], {"admin": True}, 3, [["admin"]]):
        assert company.broker.http("GET", path, token=RSA.token(roles=roles)).status == 403, roles
        assert company.broker.http("GET", f"/v1/route?to=%2B4799999999&company={company.id}",
                                   token=RSA.token(roles=roles)).status == 403, roles


async def test_a_session_goes_on_with_the_next_token_and_ends_with_the_last(firm):
    now = int(time.time())
    app = await join(firm, RSA.token(exp=now + 6))
    await app.until(lambda: app.errors and app.errors[0].get("expires_at"), "a warning")
    for token, code in ((RSA.token(sub="ola"), "forbidden"), (OCT.token(), "unauthorized"), (RSA.token(iss="x"), "unauthorized")):
        assert (await app.refused("token", token=token))["code"] == code
    await app.ok("token", token=RSA.token(exp=int(time.time()) + 9))
    assert await app.until_closed() == 4401
    assert time.time() > now + 7, "by the second token"


# ---- Keys come and go ----

async def test_keys_rotate_without_a_restart_and_on_every_worker(start_broker, make_company):
    broker = start_broker(workers=2)
    company = make_company(broker=broker, consent=False)
    new = Key("RS256", rsa.generate_private_key(65537, 2048), "k2")
    put(company, RSA)
    for _ in range(4):
        await join(company, RSA.token(), device=unique("d"))
    put(company, RSA, new)
    for _ in range(4):
        await join(company, new.token(), device=unique("d"))
        await join(company, RSA.token(), device=unique("d"))
    put(company, new)

    async def is_gone():
        try:
            await join(company, RSA.token(), device=unique("d"))
        except Refused:
            return True
        return False
    while not await is_gone():
        pass  # each worker hears of it by the doorbell
    await join(company, new.token(), device=unique("d"))
    assert tell(company, "DELETE").status == 204
    wait_until(lambda: company.broker.http("GET", f"/v1/companies/{company.id}", token=new.token()).status == 401, "no provider")


def test_what_is_told_of_it_has_no_secret(firm):
    assert put(firm, OCT, EC.jwk(kid="k2"), role_claim="roles").status == 200
    answer = tell(firm)
    assert answer.json == dict(company=firm.id, issuer=ISSUER, audience=AUDIENCE, role_claim="roles",
                               keys=[dict(kid="k1", alg="HS256"), dict(kid="k2", alg="ES256")])
    for method, path in (("GET", ""), ("GET", "/export"), ("GET", "/identity")):
        told = firm.broker.http(method, f"/v1/companies/{firm.id}{path}", token=firm.token("boss", "admin"))
        assert b64(SECRET).encode() not in told.body
    firm.broker.must_not_log(b64(SECRET), SECRET.decode())
    assert firm.broker.http("PATCH", f"/v1/companies/{firm.id}", body=dict(name="Fjord"),
                            token=firm.token("boss", "admin")).status == 200
    assert tell(firm).json == answer.json, "the company's other settings leave it alone"
    assert tell(firm, "DELETE").status == 204
    assert tell(firm).status == 404 and tell(firm, "DELETE").status == 404
    assert tell(firm, "PATCH").status == 405


@pytest.mark.parametrize("body, field", [
    (dict(issuer=None), "issuer"), (dict(issuer=""), "issuer"), (dict(audience=None), "audience"), (dict(issuer=3), "issuer"),
    (dict(keys=None), "keys"), (dict(keys=[]), "keys"), (dict(keys={}), "keys"), (dict(keys=[3]), "keys"), (dict(keys=[{}]), "keys"),
    (dict(extra=1), "extra"), (dict(user_claim=7), "user_claim"), (dict(keys=[RSA.jwk(), RSA.jwk()]), "keys"),
    (dict(keys=[RSA.jwk(), EC.jwk(kid=None)]), "keys"), (dict(keys=[RSA.jwk(d="AQAB")]), "keys"),
    (dict(keys=[RSA.jwk(n=b64(b"\xff" * 128))]), "keys"), (dict(keys=[RSA.jwk(n="AA==")]), "keys"), (dict(keys=[RSA.jwk(e="AQ")]), "keys"),
    (dict(keys=[RSA.jwk(e=b64(b"\xff" * 8))]), "keys"), (dict(keys=[RSA.jwk(n=b64(b"\xff" * 1100))]), "keys"),
    (dict(keys=[EC.jwk(y=EC.jwk()["x"])]), "keys"), (dict(keys=[EC.jwk(x="AQ")]), "keys"), (dict(keys=[OCT.jwk(k=b64("short"))]), "keys"),
    (dict(keys=[OCT.jwk(k=b64(b"x" * 513))]), "keys"), (dict(keys=[RSA.jwk(kid="k" * 121)]), "keys"),
    (dict(keys=[RSA.jwk(alg="RS512")]), "keys"), (dict(keys=[RSA.jwk(use="enc")]), "keys"), (dict(keys=[EC.jwk(crv="P-521")]), "keys"),
    (dict(keys=[RSA.jwk(alg="HS256")]), "keys"), (dict(keys=[RSA.jwk(kid=f"k{i}") for i in range(17)]), "keys"),
    (dict(keys=[dict(kty="OKP", crv="Ed25519", x="AQ")]), "keys"),
])
def test_settings_that_cannot_be_are_refused(firm, body, field):
    answer = put(firm, RSA, status=400, **body)
    assert answer.json["field"] == field, answer.json
    assert b64(SECRET).encode() not in answer.body


def test_keys_for_other_things_are_passed_over(firm):
    put(firm, dict(kty="OKP", crv="Ed25519", x="AQ"), RSA.jwk(kid="e", use="enc"), EC)
    assert tell(firm).json["keys"] == [dict(kid="k1", alg="ES256")]


def test_a_company_that_is_not_there_has_none(broker):
    nobody = unique("no-such-firm")
    token = broker.token("root", "*", "operator")
    body = dict(issuer=ISSUER, audience=AUDIENCE, keys=[RSA.jwk()])
    assert broker.http("PUT", f"/v1/companies/{nobody}/identity", token=token, body=body).status == 404
    assert broker.http("GET", f"/v1/companies/{nobody}/identity", token=token).status == 404


# ---- Attacks ----

def forged(head, claims, signature=b""):
    """A token made by hand."""
    signed = b64(json.dumps(head)) + "." + b64(json.dumps(claims))
    return signed + "." + b64(signature(signed.encode()) if callable(signature) else signature)


def good_claims(**more):
    now = int(time.time())
    return dict(iss=ISSUER, aud=AUDIENCE, sub="kari", iat=now, exp=now + 600) | more


def hs256(secret):
    return lambda signed: hmac.new(secret, signed, hashlib.sha256).digest()


def attacks():
    now = int(time.time())
    other = Key("RS256", rsa.generate_private_key(65537, 2048))
    signature = RSA.token().rpartition(".")[2]
    yield "no algorithm", forged(dict(alg="none", kid="k1"), good_claims())
    yield "no algorithm, written otherwise", forged(dict(alg="nOnE", kid="k1"), good_claims())
    yield "no algorithm and a signature", forged(dict(alg="none", kid="k1"), good_claims(), b"x" * 256)
    yield "no head", "." + b64(json.dumps(good_claims())) + "."
    for name, secret in (("the public key", RSA.pem()), ("without its end", RSA.pem().rstrip()), ("no secret", b""),
                         ("the modulus", RSA.jwk()["n"].encode())):
        yield f"HS256 with {name}", forged(dict(alg="HS256", typ="JWT", kid="k1"), good_claims(), hs256(secret))
    yield "another algorithm of the same key", jwt.encode(good_claims(), RSA.private, algorithm="RS512", headers=dict(kid="k1"))
    yield "PSS", jwt.encode(good_claims(), RSA.private, algorithm="PS256", headers=dict(kid="k1"))
    yield "another key", other.token()
    yield "another kid", RSA.token(head=dict(kid="k9"))
    yield "a kid that is no text", forged(dict(alg="RS256", kid=1), good_claims(), b"x" * 256)
    yield "a path for a kid", RSA.token(head=dict(kid="../../dev/null"))
    yield "a key of its own", other.token(head=dict(jwk=other.jwk()))
    yield "a key elsewhere", other.token(head=dict(jku="http://127.0.0.1:1/keys", x5u="http://127.0.0.1:1/x"))
    yield "a critical extension", RSA.token(head=dict(crit=["b64"], b64=False))
    yield "expired", RSA.token(exp=now - 1)
    yield "no end", RSA.token(drop=["exp"])
    yield "an end that is a text", RSA.token(exp=str(now + 600))
    yield "no beginning", RSA.token(drop=["iat"])
    yield "not valid yet", RSA.token(nbf=now + 300)
    yield "issued in the future", RSA.token(iat=now + 300)
    yield "not valid for long, but issued long ago", RSA.token(iat=now - 90000)
    yield "too long", RSA.token(exp=now + 90000)
    yield "for ever", RSA.token(exp=10 ** 15)
    yield "a negative end", RSA.token(exp=-1)
    yield "another issuer", RSA.token(iss="https://login.evil.example")
    yield "an issuer that begins alike", RSA.token(iss=ISSUER + ".evil.example")
    yield "no issuer", RSA.token(drop=["iss"])
    yield "another audience", RSA.token(aud="payroll")
    yield "other audiences", RSA.token(aud=["payroll", "mail"])
    yield "no audience", RSA.token(drop=["aud"])
    yield "no person", RSA.token(drop=["sub"])
    yield "another person's claims", RSA.token().split(".")[0] + "." + RSA.token(sub="ola").split(".")[1] + "." + signature
    yield "cut", RSA.token()[:-8]
    yield "no signature", RSA.token().rpartition(".")[0] + "."
    yield "two parts", RSA.token().rpartition(".")[0]
    yield "four parts", RSA.token() + ".x"
    yield "an algorithm twice", b64('{"alg":"none","alg":"RS256","kid":"k1"}') + "." + RSA.token().split(".", 1)[1]
    yield "a claim twice", RSA.token().split(".")[0] + "." + b64('{"sub":"ola","sub":"kari"}') + "." + signature
    yield "deep", b64("[" * 3000) + "." + b64("[" * 500) + ".x"
    yield "a huge head", b64(json.dumps(dict(alg="RS256", kid="k" * 2000))) + "." + b64("{}") + ".x"
    yield "huge", RSA.token(filler="x" * 2700)


@pytest.mark.parametrize("name", [name for name, _ in attacks()])
async def test_an_attack_is_refused_without_a_hint(firm, name):
    token = dict(attacks())[name]
    if len(token) <= 4096:
        assert await refused(firm, token) == OUT
    path = f"/v1/companies/{firm.id}/users/ola"
    put(firm, RSA, role_claim="roles")
    answer = firm.broker.http("GET", path, token=token)
    assert answer.status in (401, 431), (answer.status, answer.body)  # 431: more than a head may have
    if answer.status == 401:
        assert answer.json["detail"] == "the token is wrong or expired"


async def test_a_token_of_another_companys_provider_is_nobodys(make_company):
    """Both have the same people, the same issuer and audience: only the keys tell them apart."""
    ours, theirs = make_company(consent=False), make_company(consent=False)
    key = Key("RS256", rsa.generate_private_key(65537, 2048))
    put(ours, RSA, role_claim="roles"), put(theirs, key, role_claim="roles")
    assert await refused(theirs, RSA.token()) == OUT
    await join(ours, RSA.token())
    assert await refused(ours, RSA.token(), company=unique("no-such-firm")) == OUT, "and one that does not exist looks alike"
    token = RSA.token(roles="admin")
    assert ours.broker.http("GET", f"/v1/companies/{ours.id}", token=token).status == 200
    answers = [ours.broker.http("GET", f"/v1/companies/{company}", token=token) for company in (theirs.id, unique("no-such-firm"))]
    assert [answer.status for answer in answers] == [401, 401] and answers[0].body == answers[1].body


async def test_a_token_is_good_until_it_ends(firm):
    token = RSA.token(exp=int(time.time()) + 4)
    await join(firm, token)
    ends = time.time() + 5
    wait_until(lambda: time.time() > ends, "the token has expired")
    assert await refused(firm, token) == OUT


async def test_a_token_of_a_provider_needs_to_be_told_whose(firm):
    assert await refused(firm, RSA.token(company=firm.id), company=None) == OUT


async def test_the_brokers_own_tokens_are_good_as_before(firm):
    app = await join(firm, firm.token("kari"), company=None)
    assert app.welcome["user"] == "kari"


async def test_without_a_kid_only_where_there_is_one_key(firm):
    await join(firm, RSA.token(head=dict(kid=None)))
    put(firm, RSA, EC.jwk(kid="k2"))
    wait_until(lambda: len(tell(firm).json["keys"]) == 2, "two keys")
    while True:
        try:
            await join(firm, RSA.token(head=dict(kid=None)), device=unique("d"))
        except Refused:
            break


async def test_who_was_let_go_is_out_whatever_the_provider_says(firm):
    app = await join(firm, RSA.token())
    path = f"/v1/companies/{firm.id}/users/kari"
    assert firm.broker.http("DELETE", path, token=firm.token("boss", "admin")).status == 204
    assert await app.until_closed() == 4403
    assert (await refused(firm, RSA.token()))[1] == 4403
