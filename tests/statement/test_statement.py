import resource, time


def test_loaded(statement, sign):
    print(len(statement.incidents), {k: len(v) for k, v in statement.items.items()}, sign())
    print(statement.rita.get(f"/v1/incidents/{statement.hospital}/casualties/ranges").json())
    n = 0
    for code, item in statement.verified_items():
        assert statement.rita.get(f"/v1/evidence/{item}").json()["state"] == "signed_off"
        n += len(statement.rita.get(f"/v1/evidence/{item}/matches").json()["items"])
    print("matches", n)
    print(resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
