"""``/``: which versions of the API there are."""

from __future__ import annotations

import falcon


class Versions:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.media = {
            "versions": [
                {
                    "id": "v1",
                    "status": "CURRENT",
                    "links": [{"rel": "self", "href": f"{request.prefix}/v1"}],
                }
            ]
        }
