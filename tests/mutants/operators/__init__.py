"""Operators that plant mistakes of the catalogue in healthy code: sick twins, to measure checks.

An operator takes the text of a class, finds places where the healthy idiom stands, and edits the
text there; the rest of the file stays as it is. Where a class lacks what a mistake needs, an
operator brings it healthy and sick, and the healthy one is run as an original, too.
``benchmarks/mutants.py`` applies all of them to a folder of cases and counts.

Rows of the catalogue without an operator, and why:

- It raises by itself, in the first steps of a plain Trainer or at the end of the first epoch:
  LOG15, LOG20, LOG22, LOG23, LOG24, MET02, MET07, MET08, CKP08, CKP20, CKP22, CKP24, DDP13,
  DDP04 (under DDP, which stands in the Trainer's arguments; without it a note), PRE09, LOOP01,
  LOOP03, LOOP04, LOOP06, LOOP12, LOOP16, LOOP17, LOOP21, LOOP27, LOOP29 to LOOP32, DAT06, DAT07,
  LGR01 to LGR04, LGR10, LGR13, DBG05.
- It stands in a script, in a Trainer's arguments or in a configuration, not in a module:
  LOG27, LOG28 (what accumulation does; a note), CKP14 to CKP19 (CKP17: trainer.test), CKP21,
  CKP23, CKP27, REP01 (no seed at all), REP02, REP03, REP07, REP10, DDP15, PRE05, LOOP09, LOOP20,
  LOOP23, LOOP25, LOOP26, LGR03, LGR06, LGR11, LGR12, DBG01 to DBG04. Those that a
  module can bring about (CKP01 to CKP05 in ``configure_callbacks``) have one; it finds callbacks
  in a case file as well, where the class stands there.
- It is the data set's or the loader's, and not the class's: REP08, DAT01 to DAT03, DAT05, DAT08,
  DAT09, CKP13.
- It needs a GPU or another device than the CPU: PRE01, PRE02, PRE03, PRE07, PRE08, DEV01 to DEV04.
- It is Lightning's doing, and no mistake of the user's: CKP12, REP04, REP12, DDP01, DDP09, DDP14.
- Nothing that is logged, saved or repeated is wrong (it is slow, cosmetic, or a choice): LOG08,
  LOG17, LOG18, LOG25, LOG26, LOG30 to LOG32, MET06, MET15, LOOP22, LGR05, LGR07, LGR09, LGR14,
  LOG05 (what a loss is averaged over is its meaning: a note).
- Its formula is that of another row's operator: MET02 by hand (MET03), MET14 (LOG11), DDP10
  (LOOP10), CKP26 (MET04), MET16 (no module has the healthy ``persistent``).
- No run can see it without knowing what was meant: MET17, LGR08 of images (curves have one).
"""
