"""``python -m tests.media_jail.poor_zygote FD``: a real zygote on a machine that has no process left for it."""

import os
import resource

from app.media.jail import images, videos, zygote


def become_poor() -> list[str]:
    """Takes the place of ``zygote.walls``, the last thing before the first file."""
    if os.geteuid() == 0:  # Root may have as many processes as it likes.
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    return []


def main() -> None:
    for module in (images, videos):
        module.prepare = lambda: None  # type: ignore[attr-defined]
    zygote.walls = become_poor
    zygote.main()


if __name__ == "__main__":
    main()
