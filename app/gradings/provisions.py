"""Provisions of law, by instrument: number and short name. Data, of version 1 of the vocabulary ``provisions``.

Numbers are those of the instruments as adopted: of the Rome Statute that of 1998, without what later amendments added
to article 8. Short names are ours, after the headings in use; they are no quotation.
"""

from typing import NamedTuple


class Instrument(NamedTuple):
    code: str
    source: str
    provisions: tuple[tuple[str, str], ...]


ROME_STATUTE = Instrument(
    "rome_statute",
    "Rome Statute of the International Criminal Court, Rome, 17 July 1998 (United Nations Treaty Series, vol. 2187, "
    "No. 38544)",
    (
        ("6(a)", "Genocide by killing"),
        ("6(b)", "Genocide by causing serious bodily or mental harm"),
        ("6(c)", "Genocide by conditions of life calculated to bring about physical destruction"),
        ("6(d)", "Genocide by measures intended to prevent births"),
        ("6(e)", "Genocide by forcibly transferring children"),
        ("7(1)(a)", "Crime against humanity: murder"),
        ("7(1)(b)", "Crime against humanity: extermination"),
        ("7(1)(c)", "Crime against humanity: enslavement"),
        ("7(1)(d)", "Crime against humanity: deportation or forcible transfer of population"),
        ("7(1)(e)", "Crime against humanity: imprisonment or other severe deprivation of physical liberty"),
        ("7(1)(f)", "Crime against humanity: torture"),
        ("7(1)(g)", "Crime against humanity: rape and other forms of sexual violence"),
        ("7(1)(h)", "Crime against humanity: persecution"),
        ("7(1)(i)", "Crime against humanity: enforced disappearance of persons"),
        ("7(1)(j)", "Crime against humanity: apartheid"),
        ("7(1)(k)", "Crime against humanity: other inhumane acts"),
        ("8(2)(a)(i)", "Grave breach: wilful killing"),
        ("8(2)(a)(ii)", "Grave breach: torture or inhuman treatment, including biological experiments"),
        ("8(2)(a)(iii)", "Grave breach: wilfully causing great suffering or serious injury"),
        ("8(2)(a)(iv)", "Grave breach: extensive destruction and appropriation of property"),
        ("8(2)(a)(v)", "Grave breach: compelling service in the forces of a hostile Power"),
        ("8(2)(a)(vi)", "Grave breach: depriving of the rights of fair and regular trial"),
        ("8(2)(a)(vii)", "Grave breach: unlawful deportation, transfer or confinement"),
        ("8(2)(a)(viii)", "Grave breach: taking of hostages"),
        ("8(2)(b)(i)", "International armed conflict: attacking civilians"),
        ("8(2)(b)(ii)", "International armed conflict: attacking civilian objects"),
        ("8(2)(b)(iii)", "International armed conflict: attacking humanitarian assistance or peacekeeping missions"),
        ("8(2)(b)(iv)", "International armed conflict: excessive incidental death, injury or damage"),
        ("8(2)(b)(v)", "International armed conflict: attacking undefended places"),
        ("8(2)(b)(vi)", "International armed conflict: killing or wounding a person hors de combat"),
        ("8(2)(b)(vii)", "International armed conflict: improper use of flags, insignia, uniforms or emblems"),
        ("8(2)(b)(viii)", "International armed conflict: transfer or deportation of population by the Occupying Power"),
        ("8(2)(b)(ix)", "International armed conflict: attacking hospitals, schools, places of worship or monuments"),
        ("8(2)(b)(x)", "International armed conflict: mutilation, or medical or scientific experiments"),
        ("8(2)(b)(xi)", "International armed conflict: killing or wounding treacherously"),
        ("8(2)(b)(xii)", "International armed conflict: denying quarter"),
        ("8(2)(b)(xiii)", "International armed conflict: destroying or seizing the enemy's property"),
        ("8(2)(b)(xiv)", "International armed conflict: depriving nationals of the hostile party of rights or actions"),
        ("8(2)(b)(xv)", "International armed conflict: compelling participation in military operations"),
        ("8(2)(b)(xvi)", "International armed conflict: pillaging"),
        ("8(2)(b)(xvii)", "International armed conflict: poison or poisoned weapons"),
        ("8(2)(b)(xviii)", "International armed conflict: prohibited gases, liquids, materials or devices"),
        ("8(2)(b)(xix)", "International armed conflict: bullets that expand or flatten easily in the body"),
        ("8(2)(b)(xx)", "International armed conflict: weapons listed in the annex to the Statute"),
        ("8(2)(b)(xxi)", "International armed conflict: outrages upon personal dignity"),
        ("8(2)(b)(xxii)", "International armed conflict: rape and other forms of sexual violence"),
        ("8(2)(b)(xxiii)", "International armed conflict: using protected persons as shields"),
        ("8(2)(b)(xxiv)", "International armed conflict: attacking what bears the Geneva Conventions' emblems"),
        ("8(2)(b)(xxv)", "International armed conflict: starvation as a method of warfare"),
        ("8(2)(b)(xxvi)", "International armed conflict: using, conscripting or enlisting children under fifteen"),
        ("8(2)(c)(i)", "Common article 3: violence to life and person"),
        ("8(2)(c)(ii)", "Common article 3: outrages upon personal dignity"),
        ("8(2)(c)(iii)", "Common article 3: taking of hostages"),
        ("8(2)(c)(iv)", "Common article 3: sentencing or execution without due process"),
        ("8(2)(e)(i)", "Non-international armed conflict: attacking civilians"),
        ("8(2)(e)(ii)", "Non-international armed conflict: attacking what bears the Geneva Conventions' emblems"),
        (
            "8(2)(e)(iii)",
            "Non-international armed conflict: attacking humanitarian assistance or peacekeeping missions",
        ),
        (
            "8(2)(e)(iv)",
            "Non-international armed conflict: attacking hospitals, schools, places of worship or monuments",
        ),
        ("8(2)(e)(v)", "Non-international armed conflict: pillaging"),
        ("8(2)(e)(vi)", "Non-international armed conflict: rape and other forms of sexual violence"),
        ("8(2)(e)(vii)", "Non-international armed conflict: using, conscripting or enlisting children under fifteen"),
        ("8(2)(e)(viii)", "Non-international armed conflict: displacing civilians"),
        ("8(2)(e)(ix)", "Non-international armed conflict: killing or wounding treacherously"),
        ("8(2)(e)(x)", "Non-international armed conflict: denying quarter"),
        ("8(2)(e)(xi)", "Non-international armed conflict: mutilation, or medical or scientific experiments"),
        ("8(2)(e)(xii)", "Non-international armed conflict: destroying or seizing the adversary's property"),
    ),
)

ADDITIONAL_PROTOCOL_1 = Instrument(
    "additional_protocol_1",
    "Protocol Additional to the Geneva Conventions of 12 August 1949, and relating to the Protection of Victims of "
    "International Armed Conflicts (Protocol I), 8 June 1977 (United Nations Treaty Series, vol. 1125, No. 17512)",
    (
        ("12", "Protection of medical units"),
        ("15", "Protection of civilian medical and religious personnel"),
        ("21", "Medical vehicles"),
        ("35(2)", "Weapons and methods that cause superfluous injury or unnecessary suffering"),
        ("35(3)", "Widespread, long-term and severe damage to the natural environment"),
        ("37", "Prohibition of perfidy"),
        ("40", "Quarter"),
        ("41", "Safeguard of an enemy hors de combat"),
        ("48", "Basic rule: distinction"),
        ("51(2)", "Attacks on civilians; acts or threats meant to spread terror"),
        ("51(4)", "Indiscriminate attacks"),
        ("51(5)(a)", "Indiscriminate attacks: area bombardment"),
        ("51(5)(b)", "Indiscriminate attacks: excessive incidental harm"),
        ("51(6)", "Reprisals against civilians"),
        ("51(7)", "Civilians used to shield military objectives"),
        ("52", "General protection of civilian objects"),
        ("53", "Protection of cultural objects and of places of worship"),
        ("54(1)", "Starvation of civilians as a method of warfare"),
        ("54(2)", "Objects indispensable to the survival of the civilian population"),
        ("55", "Protection of the natural environment"),
        ("56", "Works and installations containing dangerous forces"),
        ("57", "Precautions in attack"),
        ("57(2)(c)", "Precautions in attack: effective advance warning"),
        ("58", "Precautions against the effects of attacks"),
        ("59", "Non-defended localities"),
        ("70", "Relief actions"),
        ("71", "Personnel participating in relief actions"),
        ("75", "Fundamental guarantees"),
        ("76", "Protection of women"),
        ("77", "Protection of children"),
        ("79", "Measures of protection for journalists"),
        ("85(3)(a)", "Grave breach: making civilians the object of attack"),
        ("85(3)(b)", "Grave breach: indiscriminate attack"),
        ("85(3)(c)", "Grave breach: attack against works or installations containing dangerous forces"),
        ("85(3)(d)", "Grave breach: attack on non-defended localities or demilitarized zones"),
        ("85(3)(e)", "Grave breach: attack on a person hors de combat"),
        ("85(3)(f)", "Grave breach: perfidious use of a protective emblem or sign"),
        ("85(4)(a)", "Grave breach: transfer or deportation of population by the Occupying Power"),
        ("85(4)(b)", "Grave breach: unjustifiable delay in repatriation"),
        ("85(4)(c)", "Grave breach: apartheid and other outrages based on racial discrimination"),
        ("85(4)(d)", "Grave breach: attack on historic monuments, works of art or places of worship"),
        ("85(4)(e)", "Grave breach: depriving of the rights of fair and regular trial"),
    ),
)

GRAVE_VIOLATIONS = Instrument(
    "grave_violations_against_children",
    "Office of the Special Representative of the Secretary-General for Children and Armed Conflict, The Six Grave "
    "Violations Against Children During Armed Conflict: The Legal Foundation (Working Paper No. 1); United Nations "
    "Security Council resolution 1612 (2005)",
    (
        ("killing_and_maiming", "Killing and maiming of children"),
        ("recruitment_or_use", "Recruitment or use of children in armed forces and armed groups"),
        ("sexual_violence", "Rape and other forms of sexual violence against children"),
        ("abduction", "Abduction of children"),
        ("attacks_on_schools_or_hospitals", "Attacks against schools or hospitals"),
        ("denial_of_humanitarian_access", "Denial of humanitarian access for children"),
    ),
)

INSTRUMENTS = (ROME_STATUTE, ADDITIONAL_PROTOCOL_1, GRAVE_VIOLATIONS)
