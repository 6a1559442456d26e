"""From alerts, causes and quality facts to incidents: the record that every view shows. Pure; knows no service."""

from pipelines.incidents.assemble import assemble
from pipelines.incidents.record import Incident

__all__ = ["Incident", "assemble"]
