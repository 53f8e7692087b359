"""Sound and pictures of the demo upstream: small, valid, deterministic files; uploads are measured, not understood."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
import time
import zlib
from collections.abc import Mapping

from gateway.demo import stream, wording
from gateway.demo.connection import Reply
from gateway.demo.forms import Form
from gateway.demo.scenario import Scenario

RATE = 24_000
"""Samples a second, as OpenAI's speech endpoint delivers."""

MAX_SECONDS = 30
"""Of speech: 1.4 MB of samples."""

MAX_IMAGES = 10
"""OpenAI's own limit for ``n``."""

# MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono; side information of zeros is silence. 417 bytes are 26.1 ms.
_SILENT_MP3_FRAME = b"\xff\xfb\x90\xc4" + bytes(413)


def tone(text: str) -> bytes:
    """16-bit little-endian mono samples: a quarter of a second for every word, its pitch taken from the word."""
    step = RATE // 4
    parts = []
    for word in text.split()[: MAX_SECONDS * 4] or ["silence"]:
        pitch = 200 + hashlib.blake2b(word.encode(), digest_size=1).digest()[0]
        # One period is computed and repeated: a sine per sample would take the loop's time for nothing.
        period = [int(8000 * math.sin(2 * math.pi * i / (RATE // pitch))) for i in range(RATE // pitch)]
        samples = struct.pack(f"<{len(period)}h", *period)
        parts.append((samples * (step // len(period) + 1))[: step * 2])
    return b"".join(parts)


def wav(samples: bytes) -> bytes:
    """The samples with a RIFF header."""
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", len(samples)) + samples


def png(seed: str, side: int = 64) -> bytes:
    """A square PNG in one colour that depends on the seed."""
    colour = hashlib.blake2b(seed.encode(), digest_size=3).digest()
    rows = (b"\x00" + colour * side) * side

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def speak(body: Mapping[str, object], reply: Reply) -> None:
    """Tones as ``wav`` or ``pcm``; silence of the right length as ``mp3``, the default. Other formats get wav."""
    text = body.get("input")
    if not isinstance(text, str) or not text:
        await reply.error(400, "invalid_request_error", "'input' is missing.")
        return
    wanted = body.get("response_format", "mp3")
    if wanted == "mp3":
        frames = max(1, round(min(len(text.split()) / 4, MAX_SECONDS) / 0.0261))
        await reply.body(200, "audio/mpeg", _SILENT_MP3_FRAME * frames)
    elif wanted == "pcm":
        await reply.body(200, "audio/pcm", tone(text))
    else:
        await reply.body(200, "audio/wav", wav(tone(text)))


async def transcribe(form: Form, scenario: Scenario, reply: Reply) -> None:
    """A sentence that states what arrived, in each of the five response formats; streamed when asked."""
    upload = form.files.get("file")
    if upload is None:
        await reply.error(400, "invalid_request_error", "'file' is missing.")
        return
    text = f"{len(upload.content)} bytes of audio arrived as {upload.filename}."
    duration = len(upload.content) / (RATE * 2)
    wanted = form.fields.get("response_format", "json")
    if form.fields.get("stream") == "true":
        deltas: list[tuple[str, object]] = [
            ("", {"type": "transcript.text.delta", "delta": piece}) for piece in wording.pieces(text)
        ]
        await stream.send(reply, scenario, [*deltas, ("", {"type": "transcript.text.done", "text": text})])
    elif wanted == "text":
        await reply.body(200, "text/plain; charset=utf-8", text.encode() + b"\n")
    elif wanted == "srt":
        await reply.body(200, "text/plain; charset=utf-8", f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n\n".encode())
    elif wanted == "vtt":
        await reply.body(200, "text/vtt", f"WEBVTT\n\n00:00.000 --> 00:01.000\n{text}\n\n".encode())
    elif wanted == "verbose_json":
        segments: list[object] = []
        answer = {"task": "transcribe", "language": "english", "duration": duration, "text": text, "segments": segments}
        await reply.json(200, answer)
    else:
        usage = {"type": "duration", "seconds": math.ceil(duration)}
        await reply.json(200, {"text": text, "usage": usage})


async def draw(prompt: str, count: object, reply: Reply) -> None:
    """``count`` small pictures as base64."""
    number = int(count) if isinstance(count, int) or (isinstance(count, str) and count.isdigit()) else 1
    data = [
        {"b64_json": base64.b64encode(png(f"{prompt}{i}")).decode(), "revised_prompt": prompt}
        for i in range(max(1, min(number, MAX_IMAGES)))
    ]
    asked, given = wording.tokens(prompt), 16 * len(data)
    usage = {
        "input_tokens": asked,
        "input_tokens_details": {"text_tokens": asked, "image_tokens": 0},
        "output_tokens": given,
        "total_tokens": asked + given,
    }
    await reply.json(200, {"created": int(time.time()), "data": data, "usage": usage})
