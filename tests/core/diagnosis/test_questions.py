"""
Tests for L{aerostack.core.diagnosis.questions}.
"""

from __future__ import annotations

from typing import get_args

from msgspec import ValidationError
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.questions import (
    LISTS,
    AskConnections,
    AskEvidence,
    AskRefusals,
    AskStreams,
    AskTopic,
    AskTopics,
    AskWork,
    Question,
    decodeQuestion,
    encodeQuestion,
)


class QuestionTests(SynchronousTestCase):
    """
    Tests for questions as bytes.
    """

    def test_again(self) -> None:
        """
        Each question becomes bytes and the same question again.
        """
        questions: list[Question] = [
            AskWork("p", 5, 7),
            AskConnections("p", None, "chat/a/p", 5, "c-1"),
            AskTopics("p", "chat/", 5, ""),
            AskTopic("chat/a/p"),
            AskStreams("p"),
            AskRefusals("p"),
            AskEvidence("ann", "chat/a/p"),
        ]
        self.assertEqual({type(each) for each in questions}, set(get_args(Question)))
        for question in questions:
            self.assertEqual(decodeQuestion(encodeQuestion(question)), question)
            self.assertIn(type(question), LISTS)

    def test_other(self) -> None:
        """
        Other bytes are no question.
        """
        self.assertRaises(ValidationError, decodeQuestion, b'{"type": "other"}')
