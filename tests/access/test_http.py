"""Accounts, sign-in and tokens over HTTP: what works, and every refusal."""

import concurrent.futures
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session, sessionmaker

from app.access.actors import authenticate
from app.access.idempotency import IdempotencyKeyReused, claim
from app.access.models import StoredAnswer
from app.access.tokens import revoke_token
from app.kernel.primitives import sha256_hex, utc_now
from app.unit_of_work import unit_of_work
from tests.support.api import PASSWORD, Api, Person
from tests.support.databases import TestDatabase
from tests.support.waiting import until_it_waits_for


def entry_types(sessions: sessionmaker[Session]) -> list[str]:
    with sessions() as session:
        return list(session.scalars(text("SELECT type FROM ledger_entries ORDER BY id")))


def test_sign_in_when_password_is_right_then_session_works_and_is_an_entry(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    olena = api.signed_in("Olena")
    me = olena.get("/v1/me").json()
    assert me["account"]["email"] == "olena@hub.example"
    assert entry_types(sessions)[-2:] == ["system.account_created", "system.signed_in"]


def test_sign_in_when_password_is_wrong_then_401_and_an_entry_without_the_address_in_clear(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    api.signed_in("Olena")
    refused = api.client().post("/v1/sessions", json={"email": "olena@hub.example", "password": "wrong"})
    assert (refused.status_code, refused.json()["code"]) == (401, "bad_credentials")
    assert entry_types(sessions)[-1] == "system.sign_in_failed"
    with sessions() as session:
        body = session.scalars(
            text("SELECT body FROM ledger_bodies b JOIN ledger_entries e USING (commitment) ORDER BY e.id DESC LIMIT 1")
        ).one()
    assert b"olena" not in bytes(body)


def test_sign_in_when_address_is_nobodys_or_was_erased_then_it_is_kept_nowhere(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    """What stood in no account could never be erased; and whoever tries an erased address must not bring it back."""
    olena = api.signed_in("Olena")
    tried = {"email": "olena@hub.example", "password": "wrong"}
    ground = {"field": "email", "reason_code": "consent_withdrawn", "authority": "data_subject_request"}
    assert api.client().post("/v1/sessions", json=tried).status_code == 401
    assert api.admin.change(f"/v1/users/{olena.id}/deactivate", f"/v1/users/{olena.id}").status_code == 200
    erased = api.admin.post(f"/v1/users/{olena.id}/erasures", json=ground)
    assert {each["type"] for each in erased.json()["erased"]} == {"system.account_created", "system.sign_in_failed"}
    for email in ("olena@hub.example", "my-password@in.the-wrong-field"):
        assert api.client().post("/v1/sessions", json={**tried, "email": email}).status_code == 401
        with sessions() as session:
            kept = "SELECT count(*) FROM ledger_disclosures WHERE position(:words IN convert_from(line, 'UTF8')) > 0"
            assert session.scalar(text(kept), {"words": email}) == 0


def test_sign_in_when_address_is_unknown_then_same_answer_as_wrong_password(api: Api) -> None:
    api.signed_in("Olena")
    known = api.client().post("/v1/sessions", json={"email": "olena@hub.example", "password": "wrong"}).json()
    unknown = api.client().post("/v1/sessions", json={"email": "nobody@hub.example", "password": "wrong"}).json()
    assert {**known, "request_id": ""} == {**unknown, "request_id": ""}


def test_sign_in_when_ten_attempts_failed_then_429_even_with_the_right_password(api: Api) -> None:
    api.signed_in("Olena")
    for _ in range(10):
        api.client().post("/v1/sessions", json={"email": "olena@hub.example", "password": "wrong"})
    blocked = api.client().post("/v1/sessions", json={"email": "olena@hub.example", "password": PASSWORD})
    assert (blocked.status_code, blocked.json()["code"]) == (429, "too_many_attempts")
    assert blocked.headers["Retry-After"] == "900"


def test_request_when_token_is_missing_unknown_expired_revoked_or_of_a_deactivated_account_then_401(
    api: Api, database: TestDatabase
) -> None:
    olena, petro, anna = api.signed_in("Olena"), api.person("Petro"), api.person("Anna")
    assert api.client().get("/v1/me").status_code == 401
    assert api.client("exh_invented").get("/v1/me").status_code == 401
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("SET session_replication_role = replica")  # Triggers off: no token expires earlier by itself.
        owner.execute("UPDATE tokens SET expires_at = now() - interval '1 second' WHERE kind = 'session'")
        owner.execute("UPDATE tokens SET revoked_at = now() WHERE account_id = %s", [petro.id])
        owner.execute("UPDATE accounts SET is_active = false WHERE id = %s", [anna.id])
    expired = olena.get("/v1/me")
    assert (expired.status_code, expired.json()["code"]) == (401, "unauthenticated")
    assert "expired" in expired.json()["detail"]
    assert expired.headers["WWW-Authenticate"] == "Bearer"
    for person in (petro, anna):
        ended = person.get("/v1/me")
        assert (ended.status_code, ended.json()["code"]) == (401, "unauthenticated"), person.name


def test_sign_out_when_done_then_the_token_ends_at_once(api: Api) -> None:
    olena = api.person("Olena")
    assert olena.delete("/v1/sessions/current").status_code == 200
    assert olena.get("/v1/me").status_code == 401


def test_deactivation_when_done_then_every_session_ends_and_sign_in_is_refused(api: Api) -> None:
    olena = api.signed_in("Olena")
    done = api.admin.change(f"/v1/users/{olena.id}/deactivate", f"/v1/users/{olena.id}")
    assert done.json()["is_active"] is False
    assert [receipt["type"] for receipt in done.json()["receipts"]] == [
        "system.token_revoked",
        "system.account_deactivated",
    ]
    assert olena.get("/v1/me").status_code == 401
    again = api.client().post("/v1/sessions", json={"email": "olena@hub.example", "password": PASSWORD})
    assert again.status_code == 401


def test_deactivation_of_the_only_administrator_then_409(api: Api) -> None:
    refused = api.admin.change(f"/v1/users/{api.admin.id}/deactivate", f"/v1/users/{api.admin.id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator")


def test_password_reset_when_administrator_sets_it_then_only_the_new_one_works(api: Api) -> None:
    olena = api.signed_in("Olena")
    reset = api.admin.change(
        f"/v1/users/{olena.id}/password", f"/v1/users/{olena.id}", "PUT", json={"password": "a new one, and longer"}
    )
    assert reset.status_code == 200, reset.text
    assert olena.get("/v1/me").status_code == 401
    credentials = {"email": "olena@hub.example"}
    assert api.client().post("/v1/sessions", json={**credentials, "password": PASSWORD}).status_code == 401
    fresh = api.client().post("/v1/sessions", json={**credentials, "password": "a new one, and longer"})
    assert fresh.status_code == 201


def test_own_password_when_old_one_is_wrong_then_401_and_nothing_changes(api: Api) -> None:
    olena = api.signed_in("Olena")
    refused = olena.post("/v1/me/password", json={"old_password": "guess", "new_password": "a new one, and longer"})
    assert (refused.status_code, refused.json()["code"]) == (401, "bad_credentials")
    changed = olena.post("/v1/me/password", json={"old_password": PASSWORD, "new_password": "a new one, and longer"})
    assert changed.status_code == 200
    assert olena.get("/v1/me").status_code == 200, "the session that changed the password goes on"


def test_token_when_made_narrower_then_it_cannot_do_more_than_its_scopes(api: Api) -> None:
    olena = api.person("Olena")
    made = olena.post("/v1/tokens", json={"name": "reader", "scopes": ["read"]}).json()
    assert api.client(made["token"]).get("/v1/me").json()["scopes"] == ["read"]
    made = olena.post("/v1/tokens", json={"name": "writer", "scopes": ["read", "write"]}).json()
    wider = api.client(made["token"]).post("/v1/tokens", json={"name": "wider", "scopes": ["read", "content"]})
    assert (wider.status_code, wider.json()["code"]) == (403, "wider_than_owner")


def test_token_when_request_is_repeated_with_its_key_then_the_secret_is_not_shown_again(api: Api) -> None:
    olena = api.person("Olena")
    body = {"name": "script", "scopes": ["read"]}
    first = olena.post("/v1/tokens", json=body, headers={"Idempotency-Key": "k-1"})
    assert first.status_code == 201
    second = olena.post("/v1/tokens", json=body, headers={"Idempotency-Key": "k-1"})
    assert (second.status_code, second.json()["code"]) == (409, "secret_already_shown")
    assert first.json()["token"] not in second.text


def test_secret_when_stored_then_only_its_digest_is_in_the_database(api: Api, sessions: sessionmaker[Session]) -> None:
    olena = api.person("Olena")
    token = olena.post("/v1/tokens", json={"name": "script", "scopes": ["read"]}, headers={"Idempotency-Key": "k"})
    with sessions() as session:
        rows = session.scalars(
            text("SELECT t::text FROM tokens t UNION ALL SELECT a::text FROM stored_answers a")
        ).all()
    assert rows
    assert not any(token.json()["token"] in row for row in rows)


def test_account_when_asked_by_another_person_then_403_and_an_administrator_sees_it(api: Api) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    assert petro.get(f"/v1/users/{olena.id}").status_code == 403
    assert api.admin.get(f"/v1/users/{olena.id}").json()["name"] == "Olena"
    assert petro.get("/v1/users").status_code == 403


def test_tokens_of_another_person_when_asked_then_403_and_revoking_answers_404(api: Api) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    assert petro.get("/v1/tokens", params={"account_id": olena.id}).status_code == 403
    token_id = olena.get("/v1/tokens").json()["items"][0]["id"]
    assert petro.delete(f"/v1/tokens/{token_id}").status_code == 404
    assert api.admin.delete(f"/v1/tokens/{token_id}").status_code == 200
    assert olena.get("/v1/me").status_code == 401


def test_account_when_email_is_taken_in_another_case_of_letters_then_409(api: Api) -> None:
    api.person("Olena")
    taken = api.admin.post("/v1/users", json={"name": "Other", "email": "OLENA@hub.example"})
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")


def test_account_when_two_requests_race_for_one_email_then_one_wins_and_the_other_gets_409(api: Api) -> None:
    body = {"name": "Twin", "email": "twin@hub.example"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.admin.post("/v1/users", json=body), range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json().get("code") for answer in answers} == {None, "email_taken"}


@pytest.mark.thorough
def test_account_when_repeated_with_its_key_at_once_then_one_account_and_one_answer(api: Api) -> None:
    body = {"name": "Twin", "email": "twin@hub.example"}

    def create(_: int) -> str:
        answer = api.admin.post("/v1/users", json=body, headers={"Idempotency-Key": "same"})
        assert answer.status_code == 201, answer.text
        return answer.text

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(create, range(8)))) == 1


def test_key_when_used_for_another_body_then_422(api: Api) -> None:
    keyed = {"Idempotency-Key": "same"}
    api.admin.post("/v1/users", json={"name": "A", "email": "a@hub.example"}, headers=keyed)
    other = api.admin.post("/v1/users", json={"name": "B", "email": "b@hub.example"}, headers=keyed)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_key_when_used_for_another_operation_with_the_same_body_then_refused(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    olena, body = UUID(api.person("Olena").id), sha256_hex(b"{}")
    with sessions() as session:
        assert claim(session, olena, "same", operation="createCase", request_sha256=body) is None
        with pytest.raises(IdempotencyKeyReused):
            claim(session, olena, "same", operation="createUser", request_sha256=body)


def test_key_when_two_persons_use_the_same_then_each_is_given_their_own_answer_again(api: Api) -> None:
    olena, anna = api.person("Olena"), api.person("Anna")
    cases = {person.name: api.case(person) for person in (olena, anna)}

    def create(person: Person) -> Any:
        body = {"code": "I-1", "title": f"Seen by {person.name}", "kind": "air_strike"}
        path = f"/v1/cases/{cases[person.name]}/incidents"
        return person.post(path, json=body, headers={"Idempotency-Key": "same"}).json()

    first = [create(person) for person in (olena, anna)]
    assert [create(person) for person in (olena, anna)] == first
    assert len({incident["id"] for incident in first}) == 2


def test_input_when_field_is_unknown_wrong_or_holds_nul_then_422_names_it_without_echo(api: Api) -> None:
    for body, field in (
        ({"name": "A", "email": "a@hub.example", "id": "mine"}, "body.id"),
        ({"name": "A\x00B", "email": "a@hub.example"}, "body.name"),
        ({"name": "A", "email": "a@hub.example", "is_administrator": "yes"}, "body.is_administrator"),
        ({"name": "A", "email": "a@hub.example", "password": "short-secret"[:8]}, "body.password"),
    ):
        refused = api.admin.post("/v1/users", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert [problem["field"] for problem in refused.json()["errors"]] == [field]
        assert "short-se" not in refused.text
        assert refused.headers["Content-Type"] == "application/problem+json"


def test_list_of_accounts_when_paged_then_every_account_comes_once(api: Api) -> None:
    names = {api.person(f"Person {number}").name for number in range(5)}
    seen, path = [], "/v1/users?limit=2"
    while path:
        answer = api.admin.get(path)
        seen += [item["name"] for item in answer.json()["items"]]
        path = answer.links.get("next", {}).get("url", "")
    assert sorted(seen) == sorted({*names, "Administrator"})
    bad = api.admin.get("/v1/users?cursor=invented")
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")


def test_change_when_version_is_missing_or_stale_then_428_and_412(api: Api) -> None:
    olena = api.person("Olena")
    path = f"/v1/users/{olena.id}/password"
    missing = api.admin.put(path, json={"password": "a new one, and longer"})
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    stale = api.admin.put(path, json={"password": "a new one, and longer"}, headers={"If-Match": '"99"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")


def test_own_password_when_guessed_ten_times_with_a_stolen_token_then_429(api: Api) -> None:
    olena = api.signed_in("Olena")
    guess = {"old_password": "guess", "new_password": "a new one, and longer"}
    for _ in range(10):
        assert olena.post("/v1/me/password", json=guess).status_code == 401
    right = {"old_password": PASSWORD, "new_password": "a new one, and longer"}
    blocked = olena.post("/v1/me/password", json=right)
    assert (blocked.status_code, blocked.json()["code"]) == (429, "too_many_attempts")


def test_key_when_older_than_seven_days_then_it_is_free_again(api: Api, sessions: sessionmaker[Session]) -> None:
    keyed = {"Idempotency-Key": "same"}
    first = api.admin.post("/v1/users", json={"name": "A", "email": "a@hub.example"}, headers=keyed)
    with sessions() as session:
        session.execute(update(StoredAnswer).values(created_at=utc_now() - timedelta(days=8)))
        session.commit()
    second = api.admin.post("/v1/users", json={"name": "B", "email": "b@hub.example"}, headers=keyed)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json()["name"] == "B"


def test_administrators_token_when_limited_then_it_administers_nothing(api: Api) -> None:
    limits: tuple[dict[str, list[str]], ...] = ({"case_ids": []}, {"roles": ["auditor"]})
    for limit in limits:
        made = api.admin.post("/v1/tokens", json={"name": "narrow", "scopes": ["read", "write", "admin"], **limit})
        limited = api.client(made.json()["token"])
        assert limited.get("/v1/users").status_code == 403, limit
        assert limited.post("/v1/users", json={"name": "B", "email": "b@hub.example"}).status_code == 403, limit


def test_administrators_token_when_it_lacks_a_scope_then_makes_none_with_it_for_another_account(api: Api) -> None:
    olena = api.person("Olena")
    made = api.admin.post("/v1/tokens", json={"name": "clerk", "scopes": ["read", "write", "admin"]})
    clerk = api.client(made.json()["token"])
    wider = clerk.post("/v1/tokens", json={"name": "x", "scopes": ["read", "content"], "account_id": olena.id})
    assert (wider.status_code, wider.json()["code"]) == (403, "wider_than_owner")
    same = clerk.post("/v1/tokens", json={"name": "x", "scopes": ["read"], "account_id": olena.id})
    assert same.status_code == 201


def test_token_when_made_with_a_token_then_it_ends_no_later_and_with_it(api: Api) -> None:
    olena = api.person("Olena")
    body = {"name": "x", "scopes": ["read", "write"]}
    parent = olena.post("/v1/tokens", json={**body, "expires_in_s": 600}).json()
    child = api.client(parent["token"]).post("/v1/tokens", json={**body, "expires_in_s": 86400}).json()
    assert child["expires_at"] == parent["expires_at"]
    grandchild = api.client(child["token"]).post("/v1/tokens", json=body).json()
    revoked = olena.delete(f"/v1/tokens/{parent['id']}")
    assert [receipt["type"] for receipt in revoked.json()["receipts"]] == ["system.token_revoked"] * 3
    for ended in (parent, child, grandchild):
        assert api.client(ended["token"]).get("/v1/me").status_code == 401
    assert olena.get("/v1/me").status_code == 200


def test_token_when_its_maker_is_being_revoked_then_it_waits_and_is_not_made(
    api: Api, sessions: sessionmaker[Session]
) -> None:
    olena = api.person("Olena")
    body = {"name": "x", "scopes": ["read", "write"]}
    maker = olena.post("/v1/tokens", json=body).json()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, unit_of_work(sessions) as uow:
        revoke_token(uow, authenticate(uow.session, olena.token), UUID(maker["id"]))
        made = pool.submit(api.client(maker["token"]).post, "/v1/tokens", json=body)
        until_it_waits_for(uow.session, made)
        uow.commit()
        assert made.result().status_code == 401


def test_token_when_asked_for_longer_than_a_number_can_say_then_it_has_the_longest_life(api: Api) -> None:
    olena = api.person("Olena")
    asked = {"name": "x", "scopes": ["read"], "expires_in_s": 10**30}
    keyed = {"Idempotency-Key": "long"}
    made = olena.post("/v1/tokens", json=asked, headers=keyed)
    assert made.status_code == 201
    other = olena.post("/v1/tokens", json={**asked, "expires_in_s": 10**30 + 1}, headers=keyed)
    assert other.json()["code"] == "idempotency_key_reused", "the digest holds the number's every digit"


def test_token_when_made_with_a_session_then_it_outlives_sign_out_but_not_revocation(api: Api) -> None:
    olena = api.signed_in("Olena")
    body = {"name": "x", "scopes": ["read", "write"]}
    kept = olena.post("/v1/tokens", json=body).json()
    session_id = olena.get("/v1/tokens").json()["items"][0]["id"]
    assert olena.delete("/v1/sessions/current").status_code == 200
    script = api.client(kept["token"])
    assert script.get("/v1/me").status_code == 200
    assert script.delete(f"/v1/tokens/{session_id}").status_code == 200
    assert script.get("/v1/me").status_code == 401


def test_password_reset_when_administrator_sets_it_then_tokens_end_too(api: Api) -> None:
    olena = api.person("Olena")
    path = f"/v1/users/{olena.id}"
    assert api.admin.change(f"{path}/password", path, "PUT", json={"password": PASSWORD}).status_code == 200
    assert olena.get("/v1/me").status_code == 401


def test_password_reset_when_not_an_administrator_then_403_even_for_oneself(api: Api) -> None:
    olena = api.signed_in("Olena")
    path = f"/v1/users/{olena.id}"
    refused = olena.change(f"{path}/password", path, "PUT", json={"password": "a new one, and longer"})
    assert refused.status_code == 403


def test_own_access_when_token_may_only_read_then_nothing_but_sign_out(api: Api) -> None:
    olena = api.signed_in("Olena")
    other = olena.post("/v1/tokens", json={"name": "other", "scopes": ["read"]}).json()
    reader = api.client(olena.post("/v1/tokens", json={"name": "r", "scopes": ["read"]}).json()["token"])
    passwords = {"old_password": PASSWORD, "new_password": "a new one, and longer"}
    for refused in (
        reader.post("/v1/tokens", json={"name": "x", "scopes": ["read"]}),
        reader.get("/v1/tokens"),
        reader.delete(f"/v1/tokens/{other['id']}"),
        reader.post("/v1/me/password", json=passwords),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert reader.delete("/v1/sessions/current").status_code == 200


@pytest.mark.parametrize("scope", ["read", "write", "content"])
@pytest.mark.parametrize("way", ["sign out", "by its id"])
def test_token_when_thrown_away_by_itself_then_it_ends_whatever_it_was_made_for(api: Api, scope: str, way: str) -> None:
    olena = api.person("Olena")
    made = olena.post("/v1/tokens", json={"name": "narrow", "scopes": [scope]}).json()
    narrow = api.client(made["token"])

    ended = narrow.delete("/v1/sessions/current" if way == "sign out" else f"/v1/tokens/{made['id']}")

    assert ended.status_code == 200, ended.text
    assert ended.json()["revoked_at"] is not None
    assert narrow.get("/v1/me").status_code == 401


def test_me_when_asked_then_shows_the_roles_in_each_case_that_the_token_may_use(api: Api) -> None:
    olena, anna = api.person("Olena"), api.person("Anna")
    first = api.case(anna, verifier=(olena,), researcher=(olena,))
    second = api.case(olena)
    limits = {"name": "t", "scopes": ["read"], "case_ids": [first], "roles": ["verifier"]}
    limited = api.client(olena.post("/v1/tokens", json=limits).json()["token"])

    cases = {case["case_id"]: case["roles"] for case in olena.get("/v1/me").json()["cases"]}

    assert cases == {first: ["researcher", "verifier"], second: ["coordinator"]}
    assert limited.get("/v1/me").json()["cases"] == [{"case_id": first, "roles": ["verifier"]}]
    assert api.admin.get("/v1/me").json()["cases"] == []


def test_sign_in_when_guesses_come_at_once_then_no_more_than_ten_are_tried(api: Api) -> None:
    guess = {"email": "nobody@hub.example", "password": "wrong"}
    client = api.client()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/sessions", json=guess), range(16)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 6
