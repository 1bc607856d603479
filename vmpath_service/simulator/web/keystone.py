"""Keystone v3: its version document, and tokens."""

from __future__ import annotations

import datetime
from typing import Any

import falcon

from vmpath_service.simulator.identity import Token
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import Site, answer, body_of, need_admin
from vmpath_service.simulator.world import uuid_of

DOMAIN = {"id": "default", "name": "Default"}


def _hex(kind: str, name: str) -> str:
    return uuid_of(kind, name).replace("-", "")


def _time(moment: float) -> str:
    shown = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    return shown.strftime("%Y-%m-%dT%H:%M:%S.000000Z")


class Versions:
    def __init__(self, site: Site) -> None:
        self._site = site

    def _v3(self) -> dict[str, Any]:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self._site.base_url}/identity/v3/"}],
            "media-types": [
                {
                    "base": "application/json",
                    "type": "application/vnd.openstack.identity-v3+json",
                }
            ],
        }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, {"versions": {"values": [self._v3()]}}, 300)

    def on_get_v3(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, {"version": self._v3()})


class Tokens:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Ask for a token with a password, scoped to the user's own project."""
        body = body_of(req)
        try:
            identity = body["auth"]["identity"]
            methods = identity["methods"]
            given = identity["password"]["user"] if "password" in methods else {}
            password = given["password"] if given else ""
        except (KeyError, TypeError):
            raise Refused(
                400,
                "'auth' is a required property with an identity that has a method and its data",
            ) from None
        if list(methods) != ["password"]:
            raise self._site.does_not_know(f"authentication method {methods}")
        user = self._site.identity.authenticate(given.get("name"), given.get("id"), str(password))
        if user is None:
            raise Refused(401, "The request you have made requires authentication.")
        project = (body["auth"].get("scope") or {}).get("project") or {}
        wanted = project.get("name") or project.get("id") or user.project_name
        if wanted not in (user.project_name, user.project_id):
            raise Refused(401, "The request you have made requires authentication.")
        secret, token = self._site.identity.issue(user)
        resp.set_header("X-Subject-Token", secret)
        resp.set_header("Vary", "X-Auth-Token")
        answer(resp, {"token": self._shown(token)}, 201)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Validate a token."""
        self._need_token(req)
        subject = req.get_header("X-Subject-Token")
        token = self._site.identity.validate(subject)
        if token is None:
            raise Refused(404, "Could not find token.")
        if token is not req.context.token:
            need_admin(req, "identity:validate_token")
        resp.set_header("X-Subject-Token", subject or "")
        answer(resp, {"token": self._shown(token)})

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Revoke a token."""
        self._need_token(req)
        subject = req.get_header("X-Subject-Token") or ""
        if self._site.identity.validate(subject) is None:
            raise Refused(404, "Could not find token.")
        self._site.identity.revoke(subject)
        resp.status = 204

    @staticmethod
    def _need_token(req: falcon.Request) -> None:
        if req.context.token is None:
            raise Refused(401, "The request you have made requires authentication.")

    def _shown(self, token: Token) -> dict[str, Any]:
        user = token.user
        return {
            "methods": ["password"],
            "user": {
                "domain": DOMAIN,
                "id": user.id,
                "name": user.name,
                "password_expires_at": None,
            },
            "audit_ids": [_hex("audit", f"{user.id}{token.issued_at}")[:22]],
            "expires_at": _time(token.expires_at),
            "issued_at": _time(token.issued_at),
            "project": {
                "domain": DOMAIN,
                "id": user.project_id,
                "name": user.project_name,
            },
            "is_domain": False,
            "roles": [{"id": _hex("role", role), "name": role} for role in user.roles],
            "catalog": self._catalog(),
        }

    def _catalog(self) -> list[dict[str, Any]]:
        region = self._site.world.settings.region
        services = (
            ("identity", "keystone", "/identity"),
            ("compute", "nova", "/compute/v2.1"),
            ("placement", "placement", "/placement"),
        )
        return [
            {
                "id": _hex("catalog", kind),
                "type": kind,
                "name": name,
                "endpoints": [
                    {
                        "id": _hex("endpoint", f"{kind}:{interface}"),
                        "interface": interface,
                        "region_id": region,
                        "region": region,
                        "url": self._site.base_url + path,
                    }
                    for interface in ("public", "internal", "admin")
                ],
            }
            for kind, name, path in services
        ]
