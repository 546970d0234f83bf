"""
Stories of one process, told again to a daemon with two workers.

A class of tests that passes with any number of workers can stand here.  These are the ones that
say most about what workers do together: one order, resume, presence, filters and rules, what an
operator sees, what clients may use, a reload and a stop.
"""

from __future__ import annotations

from tests.live import (
    test_admin,
    test_draining,
    test_emitting,
    test_filters,
    test_nodestreamskilled,
    test_onlookers,
    test_order,
    test_proxied,
    test_quotas,
    test_reload,
    test_returning,
    test_rules,
    test_seed,
    test_snapshot,
    test_wire,
)


class OrderTests(test_order.OrderTests):
    """
    Tests for the order of what several clients publish.
    """

    workers = 2


class EmitTests(test_emitting.PostgresEmitTests):
    """
    Tests for events that transactions emit.
    """

    workers = 2


class LostNodeTests(test_nodestreamskilled.LostNodeTests):
    """
    Tests for token streams of a daemon that is gone.
    """

    workers = 2


class HistoryTests(test_order.HistoryTests):
    """
    Tests for the pages of kept messages.
    """

    workers = 2


class ClientTests(test_wire.OtherClientsTests):
    """
    Tests for clients that exist already.
    """

    workers = 2


class FilterTests(test_filters.FilterTests):
    """
    Tests for filters.
    """

    workers = 2


class RuleTests(test_rules.SQLiteRuleTests):
    """
    Tests for the rules for rows.
    """

    workers = 2


class SnapshotTests(test_snapshot.SnapshotTests):
    """
    Tests for snapshots.
    """

    workers = 2


class ReturningTests(test_returning.ReturningTests):
    """
    Tests for clients that come back.
    """

    workers = 2


class OnlookerTests(test_onlookers.OnlookerTests):
    """
    Tests for operators who watch a topic.
    """

    workers = 2


class ListTests(test_admin.ListTests):
    """
    Tests for the lists that the console shows.
    """

    workers = 2


class AddressTests(test_quotas.AddressTests):
    """
    Tests for the bound of an address.
    """

    workers = 2


class AdmissionTests(test_quotas.AdmissionTests):
    """
    Tests for how fast clients may come.
    """

    workers = 2


class ProxiedTests(test_proxied.ProxiedTests):
    """
    Tests for the PROXY protocol.
    """

    workers = 2


class ReloadTests(test_reload.ReloadTests):
    """
    Tests for reloads.
    """

    workers = 2


class DrainTests(test_draining.DrainTests):
    """
    Tests for a planned stop.
    """

    workers = 2


class QuickStartTests(test_seed.QuickStartTests):
    """
    Tests for what the quick start shows.
    """

    workers = 2
