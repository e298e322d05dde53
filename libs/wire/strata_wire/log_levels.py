"""The many spellings of a log level."""

from typing import Final

from strata_datamodel.logs import LogLevel

_WORDS: Final = {
    LogLevel.TRACE: ("trace", "verbose", "finest", "finer", "silly"),
    LogLevel.DEBUG: ("debug", "dbg", "fine", "d"),
    LogLevel.INFO: ("info", "information", "informational", "notice", "i", "log", "ok", "success"),
    LogLevel.WARN: ("warn", "warning", "w"),
    LogLevel.ERROR: ("error", "err", "e", "severe", "failure"),
    LogLevel.FATAL: ("fatal", "critical", "crit", "alert", "emerg", "emergency", "panic", "f", "c"),
}
_BY_WORD: Final = {word: level for level, words in _WORDS.items() for word in words}

# RFC 5424 severities; pino and bunyan count in tens.
_SYSLOG: Final = (LogLevel.FATAL,) * 3 + (LogLevel.ERROR, LogLevel.WARN, LogLevel.INFO, LogLevel.INFO, LogLevel.DEBUG)
_IN_TENS: Final = {
    10: LogLevel.TRACE,
    20: LogLevel.DEBUG,
    30: LogLevel.INFO,
    40: LogLevel.WARN,
    50: LogLevel.ERROR,
    60: LogLevel.FATAL,
}


def level_of(value: object) -> LogLevel | None:
    """None when this is no spelling of a level."""
    if isinstance(value, str):
        word = value.strip().lower()
        if len(word) > 2 or not word.isdecimal():
            return _BY_WORD.get(word)
        value = int(word)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return _SYSLOG[value] if 0 <= value < len(_SYSLOG) else _IN_TENS.get(value)
