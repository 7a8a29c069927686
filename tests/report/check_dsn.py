#!/usr/bin/python3
"""Reads the reports that the test wrote into a folder with another implementation of MIME.

For each NAME.json (what was asked for and the facts as we counted them) there is a NAME.eml (the
report) and a NAME.original (the message reported about). Prints one line a mistake; exit status 1 if
there was one, or nothing to check.
"""
import email
import email.policy
import json
import pathlib
import quopri
import re
import sys

mistakes = []


def expect(name, holds, what):
    if not holds:
        mistakes.append(f"{name}: {what}")


def check_bytes(name, data, facts):
    expect(name, data.count(b"\r") == data.count(b"\r\n") == data.count(b"\n"), "a bare CR or LF")
    expect(name, data.endswith(b"\r\n"), "no line end at the end")
    lines = data.split(b"\r\n")
    expect(name, max(map(len, lines)) <= 998, "a line of more than 998 bytes")
    expect(name, b"\0" not in data, "a NUL")
    header = data.split(b"\r\n\r\n", 1)[0] + b"\r\n"
    seen = {
        "size": len(data),
        "header_bytes": len(header),
        "has_8bit": any(byte > 127 for byte in data),
        "header_has_8bit": any(byte > 127 for byte in header),
        "has_leading_dots": any(line.startswith(b".") for line in lines),
        "line_bytes_max": max(map(len, lines)) + 2,
    }
    expect(name, seen == facts, f"facts are {facts}, seen {seen}")


def check_header(name, message, wanted):
    for field in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted"):
        expect(name, len(message.get_all(field, [])) == 1, f"{field} not exactly once")
    allowed = {"from", "to", "subject", "date", "message-id", "in-reply-to", "references",
               "auto-submitted", "mime-version", "content-type", "content-transfer-encoding"}
    extra = {field.lower() for field in message.keys()} - allowed
    expect(name, not extra, f"unexpected fields {extra}")
    expect(name, message["Auto-Submitted"] == "auto-replied", "Auto-Submitted")
    expect(name, wanted["sender"] in str(message["To"]), "To is not the sender")
    expect(name, str(message["Subject"]).startswith(wanted["subject_start"]),
           f"Subject {message['Subject']!r}")
    expect(name, message["Date"].datetime is not None, "Date")
    reference = wanted["reference"] or None
    expect(name, message["In-Reply-To"] == reference, "In-Reply-To")
    expect(name, message["References"] == reference, "References")
    expect(name, not message.defects, f"defects {message.defects}")


def groups_of(text):
    """The groups of fields of a delivery-status part, unfolded."""
    groups = [group for group in text.split("\r\n\r\n") if group.strip()]
    return [email.message_from_string(group, policy=email.policy.compat32) for group in groups]


def unfold(value):
    return None if value is None else re.sub(r"\r?\n(?=[ \t])", "", value)


def check_status(name, groups, wanted):
    message, *recipients = groups
    expect(name, message["Reporting-MTA"] == "dns; " + wanted["hostname"], "Reporting-MTA")
    expect(name, "Arrival-Date" in message, "Arrival-Date")
    expect(name, message["Original-Envelope-Id"] == (wanted["envid"] or None),
           f"Original-Envelope-Id {message['Original-Envelope-Id']!r}")
    expect(name, len(recipients) == len(wanted["recipients"]), "number of recipients")
    for got, want in zip(recipients, wanted["recipients"]):
        where = f"{name} <{want['address']}>"
        for field, value in want["fields"].items():
            seen = unfold(got[field])
            expect(where, seen == value, f"{field} is {seen!r}, wanted {value!r}")
        known = set(want["fields"])
        extra = [field for field in got.keys() if field not in known]
        expect(where, not extra, f"unexpected fields {extra}")
        klass = {"failed": "5", "delayed": "4", "relayed": "2"}[got["Action"]]
        expect(where, got["Status"].startswith(klass + "."), "Status does not agree with Action")


def raw_parts(data, boundary):
    """(fields, content bytes) of each part, split by hand: the library normalises line ends."""
    marker = b"\r\n--" + boundary.encode()
    pieces = data.split(marker)
    assert pieces[-1] == b"--\r\n", pieces[-1][:40]
    parts = []
    for piece in pieces[1:-1]:
        assert piece.startswith(b"\r\n")
        fields, content = piece[2:].split(b"\r\n\r\n", 1)
        parts.append((email.message_from_bytes(fields, policy=email.policy.default), content))
    return parts


def check_encoding(name, fields, content):
    encoding = fields["Content-Transfer-Encoding"]
    is_ascii = all(byte < 128 for byte in content)
    expect(name, encoding in ("7bit", "quoted-printable"), f"encoding {encoding}")
    expect(name, is_ascii, f"declared {encoding}, and not ASCII")
    if encoding == "quoted-printable":
        expect(name, max(map(len, content.split(b"\r\n"))) <= 76, "quoted-printable line too long")
        return quopri.decodestring(content.replace(b"=\r\n", b""))
    return content


def check(path):
    wanted = json.loads(path.read_text())
    name = path.stem
    data = path.with_suffix(".eml").read_bytes()
    original = path.with_suffix(".original").read_bytes()
    check_bytes(name, data, wanted["facts"])
    message = email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
    check_header(name, message, wanted)
    expect(name, message.get_content_type() == "multipart/report", "not a multipart/report")
    expect(name, message.get_param("report-type") == "delivery-status", "report-type")
    parts = raw_parts(data, message.get_boundary())
    expect(name, len(parts) == 3, f"{len(parts)} parts")
    types = [fields.get_content_type() for fields, _ in parts]
    expect(name, types == ["text/plain", "message/delivery-status", wanted["returned_type"]],
           f"types {types}")
    expect(name, message["Content-Transfer-Encoding"] == "7bit", "encoding of the whole")
    contents = [check_encoding(name, fields, content) for fields, content in parts]
    text = contents[0].decode(parts[0][0].get_content_charset())
    flat = " ".join(text.split())
    for words in wanted["words"]:
        expect(name, words in flat, f"the text does not say {words!r}:\n{text}")
    for line in text.split("\r\n"):
        expect(name, len(line) <= 78 or " " not in line.strip(), f"a wide line: {line!r}")
    check_status(name, groups_of(contents[1].decode("ascii")), wanted)
    if wanted["returned"] == "all":
        expect(name, contents[2] == original, "the original did not come back as it was")
    elif wanted["returned"] == "header":
        header = original.split(b"\r\n\r\n", 1)[0] + b"\r\n"
        if not original or original.startswith(b"\r\n"):
            header = b""
        expect(name, contents[2] == header, f"header came back as {contents[2][:200]!r}")
    else:
        expect(name, original.startswith(contents[2]) and contents[2].endswith(b"\r\n")
               and len(contents[2]) > 10000, "the header's beginning did not come back")


def main():
    cases = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
    for case in cases:
        try:
            check(case)
        except Exception as error:  # a report that cannot be read is the finding
            mistakes.append(f"{case.stem}: {type(error).__name__}: {error}")
    for mistake in mistakes:
        print(mistake)
    print(f"checked {len(cases)}")
    return 1 if mistakes or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
