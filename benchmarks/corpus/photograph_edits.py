"""What is done to photographs before they are used again: one function an edit, from pixels and a seeded generator.

The first 25 are those of the measurements that the matcher was designed on; the others are what else people do.
"""

import io
from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Picture = Image.Image
Edit = Callable[[Picture, Random], Picture]

WORDS = (
    "BREAKING",
    "see what happened",
    "verified?",
    "share before deleted",
    "@channel_24",
    "15.03. 04:12",
    "часть 2",
    "now",
)


def _sized(picture: Picture, side: int) -> Picture:
    scale = side / max(picture.size)
    return picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS
    )


def _through_jpeg(picture: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _cropped(picture: Picture, area: float, random: Random) -> Picture:
    """Without ``area`` of the picture's area; where the rest lies is random."""
    keep = (1 - area) ** 0.5
    width, height = round(picture.width * keep), round(picture.height * keep)
    left, top = random.randint(0, picture.width - width), random.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def write_text(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], words: str, size: float, fill: tuple[int, int, int]
) -> None:
    draw.text(place, words, fill=fill, font=ImageFont.load_default(size))


def _messenger(picture: Picture, times: int) -> Picture:
    for _ in range(times):
        picture = _through_jpeg(_sized(picture, 1280), 70)
    return picture


def _noise(picture: Picture, random: Random) -> Picture:
    generator = np.random.default_rng(random.randrange(2**32))
    noisy = np.asarray(picture, np.float32) + generator.normal(0, 12, (picture.height, picture.width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _logo(picture: Picture, random: Random) -> Picture:
    edited, side = picture.copy(), picture.width // 6
    draw, left, top = (
        ImageDraw.Draw(edited),
        random.choice((10, picture.width - side - 10)),
        random.choice((10, picture.height - side - 10)),
    )
    draw.ellipse((left, top, left + side, top + side), fill=(200, 20, 30))
    write_text(draw, (left + side * 0.3, top + side * 0.2), "7", side * 0.5, (255, 255, 255))
    return edited


def _banner(picture: Picture, random: Random) -> Picture:
    edited, height = picture.copy(), picture.height // 5
    draw = ImageDraw.Draw(edited)
    draw.rectangle((0, picture.height - height, picture.width, picture.height), fill=(20, 20, 120))
    write_text(draw, (20, picture.height - height * 0.8), random.choice(WORDS), height * 0.45, (255, 255, 0))
    return edited


def _caption_above(picture: Picture, random: Random) -> Picture:
    bar = picture.height // 4
    edited = Image.new("RGB", (picture.width, picture.height + bar), (255, 255, 255))
    edited.paste(picture, (0, bar))
    write_text(ImageDraw.Draw(edited), (20, bar * 0.25), random.choice(WORDS), bar * 0.4, (0, 0, 0))
    return edited


def _letterboxed(picture: Picture) -> Picture:
    bar = round(picture.height * 0.15)
    return ImageOps.expand(picture, (0, bar), (0, 0, 0))


def _screenshot(picture: Picture, random: Random) -> Picture:
    """Shown in an application on a telephone: bars, buttons and words around it."""
    paper, ink = random.choice((((250, 250, 250), (60, 60, 60)), ((18, 18, 18), (220, 220, 220))))
    screen = Image.new("RGB", (1080, 2220), paper)
    draw = ImageDraw.Draw(screen)
    shown = ImageOps.contain(picture, (1080, 1300))
    top = 420 + random.randint(0, 80)
    screen.paste(shown, ((1080 - shown.width) // 2, top))
    write_text(draw, (40, 30), "21:47", 44, ink)
    draw.ellipse((40, 180, 160, 300), fill=(90, 140, 200))
    write_text(draw, (190, 190), "channel_24", 48, ink)
    write_text(draw, (40, 330), random.choice(WORDS), 44, ink)
    for place in range(4):
        draw.rounded_rectangle(
            (60 + place * 260, top + shown.height + 40, 180 + place * 260, top + shown.height + 130),
            30,
            outline=ink,
            width=6,
        )
    write_text(draw, (40, top + shown.height + 170), "1,204 likes", 42, ink)
    draw.rectangle((0, 2100, 1080, 2104), fill=ink)
    return screen


def _inset(picture: Picture, other: Picture, share: float, random: Random) -> Picture:
    """In a corner of another picture, ``share`` of its width and height."""
    edited = ImageOps.fit(other, (1280, 960))
    small = ImageOps.contain(picture, (round(1280 * share), round(960 * share)))
    left = random.choice((20, 1280 - small.width - 20))
    edited.paste(small, (left, random.choice((20, 960 - small.height - 20))))
    return edited


def _perspective(picture: Picture, random: Random, strength: float) -> Picture:
    width, height = picture.size
    corners = [(0, 0), (0, height), (width, height), (width, 0)]
    moved = [
        (x + random.uniform(-strength, strength) * width, y + random.uniform(-strength, strength) * height)
        for x, y in corners
    ]
    rows, values = [], []
    for (x, y), (u, v) in zip(moved, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    coefficients = np.linalg.solve(np.array(rows), np.array(values))
    return picture.transform(
        (width, height), Image.Transform.PERSPECTIVE, coefficients.tolist(), Image.Resampling.BICUBIC
    )


def _photographed_screen(picture: Picture, random: Random) -> Picture:
    """A monitor filmed with a telephone: pixel grid, moiré, perspective, a tint, a bright spot, blur."""
    pixels = np.asarray(_sized(picture, 1400), np.float32)
    rows, columns = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]]
    angle = random.uniform(0.02, 0.08)
    moire = 1 + 0.12 * np.sin(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / 2.7) * np.sin(
        2 * np.pi * rows / 3.1
    )
    spot = np.exp(
        -(((columns / pixels.shape[1] - random.random()) ** 2) + (rows / pixels.shape[0] - random.random()) ** 2) / 0.03
    )
    tinted = pixels * moire[..., None] * np.array([0.95, 1.0, 1.08]) * 0.85 + 25 + 60 * spot[..., None]
    framed = ImageOps.expand(Image.fromarray(tinted.clip(0, 255).astype(np.uint8)), 60, (12, 12, 14))
    return _perspective(framed, random, 0.05).filter(ImageFilter.GaussianBlur(1.2))


def _stickers(picture: Picture, random: Random) -> Picture:
    edited = picture.copy()
    draw = ImageDraw.Draw(edited)
    for _ in range(6):
        side = picture.width * random.uniform(0.08, 0.16)
        left, top = random.uniform(0, picture.width - side), random.uniform(0, picture.height - side)
        draw.ellipse((left, top, left + side, top + side), fill=(255, 214, 60), outline=(90, 60, 0), width=3)
        for eye in (0.3, 0.6):
            draw.ellipse(
                (left + side * eye, top + side * 0.3, left + side * (eye + 0.1), top + side * 0.4), fill=(40, 30, 0)
            )
        draw.arc(
            (left + side * 0.25, top + side * 0.4, left + side * 0.75, top + side * 0.8),
            0,
            180,
            fill=(40, 30, 0),
            width=5,
        )
    return edited


def _covered(picture: Picture, random: Random, is_blurred: bool) -> Picture:
    """Faces made unrecognisable: boxes of a tenth to a fifth of the side, blurred or black."""
    edited = picture.copy()
    for _ in range(5):
        width, height = (
            round(picture.width * random.uniform(0.1, 0.2)),
            round(picture.height * random.uniform(0.12, 0.25)),
        )
        left, top = random.randint(0, picture.width - width), random.randint(0, picture.height - height)
        box = (left, top, left + width, top + height)
        cover = (
            edited.crop(box).filter(ImageFilter.GaussianBlur(25)) if is_blurred else Image.new("RGB", (width, height))
        )
        edited.paste(cover, box)
    return edited


def _coloured(picture: Picture, random: Random) -> Picture:
    tint = Image.new("RGB", picture.size, random.choice(((255, 190, 120), (120, 170, 255), (190, 255, 170))))
    return ImageEnhance.Contrast(ImageChops.multiply(picture, tint)).enhance(1.4)


def _vertical(picture: Picture, random: Random) -> Picture:
    """A wide picture for a tall screen: itself in the middle, itself enlarged and blurred above and below."""
    small = ImageOps.fit(picture, (180, 320)).filter(ImageFilter.GaussianBlur(5.5))  # As 22 of the size it is shown in.
    background = small.resize((720, 1280), Image.Resampling.BICUBIC)
    middle = _cropped(picture, random.uniform(0, 0.2), random)
    middle = ImageOps.contain(middle, (720, 1280))
    background.paste(middle, ((720 - middle.width) // 2, (1280 - middle.height) // 2))
    return background


NEWS = ("the", "river", "was", "closed", "on", "Monday", "after", "sources", "said", "people", "near")
"""What a page of the web says beside its picture."""


def _small_shot(picture: Picture, random: Random) -> Picture:
    """A page of the web, on a screen of 1366 × 900: the picture at a third of its width, beside a column of words."""
    page = Image.new("RGB", (1366, 900), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 1366, 90), fill=(32, 60, 120))
    write_text(draw, (30, 20), "THE DAILY", 44, (255, 255, 255))
    page.paste(ImageOps.contain(picture, (480, 360)), (60, 190))
    for line in range(22):
        write_text(draw, (600, 130 + line * 33), " ".join(random.choices(NEWS, k=11)), 22, (30, 30, 30))
    return page


EDITS: dict[str, Edit] = {
    "reencoded": lambda p, r: _through_jpeg(p, 80),
    "quality_30": lambda p, r: _through_jpeg(p, 30),
    "messenger": lambda p, r: _messenger(p, 1),
    "messenger_3": lambda p, r: _messenger(p, 3),
    "half_size": lambda p, r: _sized(p, max(p.size) // 2),
    "tiny": lambda p, r: _sized(p, 320),
    "grey": lambda p, r: ImageOps.grayscale(p).convert("RGB"),
    "blurred": lambda p, r: p.filter(ImageFilter.GaussianBlur(max(p.size) / 400)),
    "noisy": _noise,
    "brighter": lambda p, r: ImageEnhance.Brightness(p).enhance(1.35),
    "contrast": lambda p, r: ImageEnhance.Contrast(p).enhance(1.5),
    "sharpened": lambda p, r: p.filter(ImageFilter.UnsharpMask(3, 180, 2)),
    "logo": _logo,
    "banner": _banner,
    "caption_above": _caption_above,
    "letterboxed": lambda p, r: _letterboxed(p),
    "cropped_10": lambda p, r: _cropped(p, 0.10, r),
    "cropped_25": lambda p, r: _cropped(p, 0.25, r),
    "cropped_50": lambda p, r: _cropped(p, 0.50, r),
    "rotated_5": lambda p, r: p.rotate(r.choice((-5, 5)), Image.Resampling.BICUBIC, expand=False),
    "mirrored": lambda p, r: ImageOps.mirror(p),
    "turned_90": lambda p, r: p.transpose(r.choice((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270))),
    "screenshot": _screenshot,
    "stretched": lambda p, r: p.resize((round(p.width * 1.2), p.height), Image.Resampling.LANCZOS),
    "stickers": _stickers,
    "faces_blurred": lambda p, r: _covered(p, r, is_blurred=True),
    "faces_boxed": lambda p, r: _covered(p, r, is_blurred=False),
    "filtered": _coloured,
    "inverted_tone": lambda p, r: ImageOps.solarize(p, 200),
    "vertical": _vertical,
    "screen_photographed": _photographed_screen,
    "mirrored_cropped_messenger": lambda p, r: _messenger(_cropped(ImageOps.mirror(p), 0.2, r), 2),
    "small_shot": _small_shot,
    "screenshot_of_screenshot": lambda p, r: _screenshot(_through_jpeg(_screenshot(p, r), 60), r),
}
"""Name → edit of one picture."""


def picture_in_picture(picture: Picture, other: Picture, random: Random) -> Picture:
    """40 % of the sides, in a corner of another picture: both are sources."""
    return _inset(picture, other, 0.40, random)


def collage(pictures: list[Picture]) -> Picture:
    """Four pictures, two by two, with a white line between: all four are sources."""
    edited = Image.new("RGB", (1300, 980), (255, 255, 255))
    for place, picture in enumerate(pictures):
        edited.paste(ImageOps.fit(picture, (640, 480)), ((place % 2) * 660, (place // 2) * 500))
    return edited


def collage9(pictures: list[Picture]) -> Picture:
    """Nine pictures, three by three, on white, with a narrow line between: all are sources."""
    edited = Image.new("RGB", (1230, 930), (255, 255, 255))
    for place, picture in enumerate(pictures):
        edited.paste(ImageOps.fit(picture, (400, 300)), (10 + place % 3 * 405, 10 + place // 3 * 305))
    return edited
