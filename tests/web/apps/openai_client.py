"""
Asks the daemon with OpenAI's own client: C{python apps/openai_client.py BASE_URL KEY}
"""

import json
import sys
from typing import Any

from openai import APIError, InternalServerError, OpenAI

base, key = sys.argv[1:]
client = OpenAI(base_url=base, api_key=key, max_retries=0)
messages: Any = [{"role": "user", "content": "Hello"}]
results: list[Any] = []


def ask(**options: Any) -> dict[str, Any]:
    """
    Ask for a stream.
    """
    found: dict[str, Any] = {"text": "", "calls": {}, "reason": None, "usage": None}
    for chunk in client.chat.completions.create(
        model="default",
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
        **options,
    ):
        if chunk.usage is not None:
            found["usage"] = chunk.usage.total_tokens
        for choice in chunk.choices:
            found["text"] += choice.delta.content or ""
            found["reason"] = choice.finish_reason or found["reason"]
            for call in choice.delta.tool_calls or []:
                known = found["calls"].setdefault(str(call.index), {"name": "", "arguments": ""})
                known["name"] += call.function.name or ""
                known["arguments"] += call.function.arguments or ""
    return found


results.append(ask())
results.append(ask(tools=[{"type": "function", "function": {"name": "weather"}}]))
whole = client.chat.completions.create(model="default", messages=messages)
results.append({"text": whole.choices[0].message.content, "total": whole.usage.total_tokens})
try:
    ask()
except APIError as error:
    results.append({"message": error.message})
try:
    ask()
except InternalServerError as error:
    results.append({"status": error.status_code, "message": error.message, "code": error.code})
print(json.dumps(results))
