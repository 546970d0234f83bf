"""
Tests for L{aerostack.databases.postgres.journal}: what it shares with every journal.
"""

from __future__ import annotations

from tests.databases import journals as contract
from tests.databases.postgres.case import PostgresCase


class ChangeContractTests(contract.ChangeContract, PostgresCase):
    """
    See L{contract.ChangeContract}.
    """


class ReaderContractTests(contract.ReaderContract, PostgresCase):
    """
    See L{contract.ReaderContract}.
    """


class PastContractTests(contract.PastContract, PostgresCase):
    """
    See L{contract.PastContract}.
    """


class SnapshotContractTests(contract.SnapshotContract, PostgresCase):
    """
    See L{contract.SnapshotContract}.
    """


class TableContractTests(contract.TableContract, PostgresCase):
    """
    See L{contract.TableContract}.
    """


class ColumnContractTests(contract.ColumnContract, PostgresCase):
    """
    See L{contract.ColumnContract}.
    """


class MirrorContractTests(contract.MirrorContract, PostgresCase):
    """
    See L{contract.MirrorContract}.
    """
