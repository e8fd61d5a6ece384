"""Interactive documentation that works without internet access: Swagger UI from an installed package."""

import base64
import hashlib
import re
from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request
from starlette.responses import HTMLResponse

ASSETS_URL = "/docs/assets"


def install_docs(app: FastAPI) -> None:
    """``/docs`` on the API's own document; no address outside this server is named in it."""
    app.mount(ASSETS_URL, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-assets")
    app.add_route("/docs", _show_docs, include_in_schema=False)


async def _show_docs(_: Request) -> HTMLResponse:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Exhibit API",
        swagger_js_url=f"{ASSETS_URL}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS_URL}/swagger-ui.css",
        swagger_favicon_url="data:,",
    )
    page.headers["Content-Security-Policy"] = _content_policy(bytes(page.body).decode())
    return page


def _content_policy(page: str) -> str:
    """Only this server's files, and the page's own script by its digest (CSP 3). Swagger UI sets styles inline."""
    digests = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
        for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    ]
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *(f"'sha256-{digest}'" for digest in digests)]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
