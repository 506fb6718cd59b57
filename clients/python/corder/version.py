"""The project's version, as shared/base/version.h has it; a test holds the two together."""

__version__ = "0.1.0"
