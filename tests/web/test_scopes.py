"""Which scope opens what: every route, said once more in words. The calls of the API stand in docs/guide.md, which is compared."""

from tests.support.dashboard import Web
from web.auth import need_of

OPEN = """
nothing: GET /healthz, GET /login, POST /login, GET /static/<path:filename>, GET /bootstrap/static/<path:filename>
admin: POST /logout, GET /tokens, POST /tokens, GET /tokens/<name>/revoke, POST /tokens/<name>/revoke
backup: POST /backups/create, POST /backups/<name>/verify, POST /backups/<name>/drill, POST /backups/<name>/copy
restore: POST /backups/<name>/restore, POST /tasks/<identity>/undo
restore: POST /system/notify, POST /backups/<name>/pin, POST /backups/<name>/unpin, POST /backups/<name>/accept, POST /backups/<name>/put-back, POST /alerts/silence, POST /incident/restore, POST /incident/undo
delete: POST /backups/<name>/delete, POST /schedule/prune
schedule: POST /schedule
read: GET /, GET /backups, GET /backups/<name>, GET /tasks, GET /tasks/<identity>, GET /restores, GET /schedule, GET /system, GET /recovery-sheet, GET /alerts
read: GET /search, POST /search, POST /backups/<name>/preview, POST /backups/<name>/review, POST /backups/<name>/fits, GET /backups/<name>/restore
read: POST /backups/<name>/browse, GET /tasks/<identity>/document
read: GET /incident, POST /incident/look, POST /incident/compare, POST /tasks/<identity>/differences
read: GET /stream, POST /stream/happened, POST /stream/writes
read: POST /system/ask, POST /system/try, POST /tasks/<identity>/cancel, POST /theme, GET /metrics, GET /readyz
read: GET /api/docs, GET /api/docs/openapi.json, GET /api/docs/swagger/<path:filename>
read: GET /backups/create, GET /backups/<name>/verify, GET /backups/<name>/drill, GET /backups/<name>/fits, GET /backups/<name>/delete, GET /backups/<name>/pin, GET /backups/<name>/copy
read: GET /backups/<name>/unpin, GET /backups/<name>/accept, GET /backups/<name>/put-back, GET /schedule/prune, GET /system/ask, GET /system/try, GET /system/notify, GET /tasks/<identity>/undo, GET /alerts/silence
read: GET /backups/<name>/browse, GET /incident/look, GET /incident/compare, GET /incident/restore, GET /incident/undo, GET /tasks/<identity>/differences, GET /stream/happened, GET /stream/writes
"""
"""The last three lines are where a browser comes back to that asked for a change without a login: they lead to the page."""


def test_each_route_asks_for_the_scope_that_is_written_here(web_app: Web) -> None:
    written = {
        route: need
        for need, routes in (line.split(": ") for line in OPEN.strip().splitlines())
        for route in routes.split(", ")
    }
    with web_app.app.app_context():
        asked = {
            f"{method} {rule}": need_of(rule.endpoint, method)
            for rule in web_app.app.url_map.iter_rules()
            if not rule.endpoint.startswith("api.")
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }
    assert asked == written
