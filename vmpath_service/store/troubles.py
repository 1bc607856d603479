"""The hosts whose last migrations failed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from vmpath_service.model.records import HostTrouble
from vmpath_service.store import records
from vmpath_service.store.rows import Part, count
from vmpath_service.store.tables import HostTroubleRow


class Troubles(Part):
    """What is held against hosts."""

    def troubles(self) -> Mapping[str, HostTrouble]:
        """The hosts whose last migration failed."""
        query = select(HostTroubleRow).order_by(HostTroubleRow.host)
        found = self._database.read(lambda session: [records.to_host_trouble(row) for row in session.scalars(query)])
        return {each.host: each for each in found}

    def blame(self, host: str, reason: str) -> HostTrouble:
        """Count one more failure of a host; returns how it stands now."""
        now = self._clock.time()

        def work(session: Session) -> HostTrouble:
            more = {"failures": HostTroubleRow.failures + 1, "last_at": now, "reason": reason}
            if not count(session, update(HostTroubleRow).where(HostTroubleRow.host == host).values(**more)):
                first = {"host": host, "failures": 1, "since": now, "last_at": now, "reason": reason}
                session.execute(insert(HostTroubleRow).values(**first))
            row = session.scalars(
                select(HostTroubleRow).where(HostTroubleRow.host == host).execution_options(populate_existing=True)
            ).one()
            return records.to_host_trouble(row)

        return self._database.write(work)

    def absolve(self, host: str) -> bool:
        """Forget the failures of a host; whether there were any."""
        return self._database.write(
            lambda session: bool(count(session, delete(HostTroubleRow).where(HostTroubleRow.host == host)))
        )
