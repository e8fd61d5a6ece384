"""The numbers of system calls, checked against the kernel's own headers by a C compiler: a wrong one opens the wall."""

import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.media.jail import probes, seccomp

# What arch/arm64/include/uapi/asm/unistd.h says before it includes the generic list.
ARM64 = """
#define __BITS_PER_LONG 64
#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_TIME32_SYSCALLS
#define __ARCH_WANT_SYS_CLONE3
#define __ARCH_WANT_MEMFD_SECRET
#include <asm-generic/unistd.h>
"""
NATIVE = "#include <asm/unistd.h>\n"
CONSTANTS = {
    "PR_SET_SECCOMP": seccomp._PR_SET_SECCOMP,
    "PR_SET_NAME": seccomp.PR_SET_NAME,
    "SECCOMP_MODE_FILTER": seccomp._SECCOMP_MODE_FILTER,
    "SECCOMP_RET_ALLOW": seccomp._RETURN_ALLOW,
    "SECCOMP_RET_ERRNO": seccomp._RETURN_ERRNO,
    "SECCOMP_RET_KILL_PROCESS": seccomp._RETURN_KILL_PROCESS,
    "AUDIT_ARCH_X86_64": seccomp._AUDIT_ARCH["x86_64"],
    "AUDIT_ARCH_AARCH64": seccomp._AUDIT_ARCH["aarch64"],
    "PROT_EXEC": seccomp.PROT_EXEC,
    "BPF_LD | BPF_W | BPF_ABS": seccomp._LOAD_WORD,
    "BPF_JMP | BPF_JEQ | BPF_K": seccomp._JUMP_EQUAL,
    "BPF_JMP | BPF_JGE | BPF_K": seccomp._JUMP_GREATER_EQUAL,
    "BPF_JMP | BPF_JSET | BPF_K": seccomp._JUMP_ANY_BIT,
    "BPF_RET | BPF_K": seccomp._RETURN,
    "offsetof(struct seccomp_data, nr)": seccomp._OFFSET_NUMBER,
    "offsetof(struct seccomp_data, arch)": seccomp._OFFSET_ARCH,
    "offsetof(struct seccomp_data, args)": seccomp._OFFSET_ARGUMENTS,
}


def run_c(source: str, place: Path) -> dict[str, int]:
    """What a C program prints, as ``name number`` lines."""
    (place / "numbers.c").write_text(source)
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", "numbers", "numbers.c"], cwd=place, check=True)
    printed = subprocess.run(["./numbers"], cwd=place, check=True, capture_output=True, text=True).stdout
    return {name: int(number) for name, number in (line.rsplit(" ", 1) for line in printed.splitlines())}


def kernel_numbers(headers: str, names: Mapping[str, object], place: Path) -> dict[str, int]:
    lines = [f'#ifdef __NR_{name}\nprintf("{name} %ld\\n", (long)__NR_{name});\n#endif' for name in sorted(names)]
    return run_c(headers + "#include <stdio.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n", place)


def ours(column: int) -> dict[str, int]:
    listed: dict[str, int | None] = {name: call[:2][column] for name, call in seccomp.CALLS.items()}
    listed |= {name: numbers[column] for name, numbers in probes._NUMBERS.items()}
    return {name: number for name, number in listed.items() if number is not None}


@pytest.mark.parametrize(
    ("headers", "column"),
    [*([(NATIVE, 0)] if platform.machine() == "x86_64" else [(NATIVE, 1)]), (ARM64, 1)],
    ids=["this processor", "aarch64"],
)
def test_numbers_of_the_filter_and_the_probes_when_compiled_then_they_are_the_kernels(
    headers: str, column: int, tmp_path: Path
) -> None:
    names = seccomp.CALLS.keys() | probes._NUMBERS.keys()
    found = kernel_numbers(headers, dict.fromkeys(names), tmp_path)
    assert len(found) > 60
    assert ours(column) == found, "what the list leaves out, this kernel has not got either"


def test_constants_of_the_filter_when_compiled_then_they_are_the_kernels(tmp_path: Path) -> None:
    headers = ("stddef.h", "stdio.h", "sys/mman.h", "sys/prctl.h", "linux/audit.h", "linux/filter.h", "linux/seccomp.h")
    includes = "".join(f"#include <{header}>\n" for header in headers)
    lines = [f'printf("{name} %lu\\n", (unsigned long)({name}));' for name in CONSTANTS]
    assert run_c(includes + "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n", tmp_path) == CONSTANTS
