"""A few paragraphs in other languages, written for the demo."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from webtext.demo.articles import Article

FOREIGN: Mapping[str, Article] = MappingProxyType(
    {
        "de": Article(
            "Der Regenschirm im Treppenhaus",
            (
                "Der Schirm stand seit drei Wochen neben dem Briefkasten, und niemand im Haus wollte ihn "
                "vergessen haben. Frau Behrens aus dem zweiten Stock hängte einen Zettel daran, auf dem sie "
                "höflich darum bat, dass der Besitzer sich melden möge, weil die Kinder ihn sonst für einen Degen"
                " hielten.",
                "Am Sonntag war der Zettel verschwunden, der Schirm aber stand noch da. Dafür lag nun eine Tüte "
                "mit Pflaumen auf der untersten Stufe, und daneben ein zweiter Zettel in einer Handschrift, die "
                "keiner von uns kannte: Er gehöre allen, und wer bei Regen hinausmüsse, der solle ihn nehmen.",
                "Seitdem regnet es anders in unserer Straße. Wer morgens zuerst geht, nimmt den Schirm mit bis "
                "zur Haltestelle und hängt ihn dort an den Zaun, und wer abends zuletzt kommt, bringt ihn wieder "
                "nach Hause.",
            ),
        ),
        "fr": Article(
            "Le boulanger qui fermait le mardi",
            (
                "Dans notre village, le boulanger fermait le mardi, et personne n'avait jamais su pourquoi. Les "
                "anciens disaient que son père faisait déjà ainsi, et que le père de son père n'allumait pas le "
                "four ce jour-là, même pendant la guerre, lorsque le pain valait plus cher que la viande.",
                "Un hiver, la route fut coupée par la neige pendant neuf jours, et le mardi arriva comme les "
                "autres jours. On frappa à sa porte, d'abord doucement, puis de plus en plus fort, jusqu'à ce "
                "qu'il ouvrît la fenêtre du premier étage et demandât, très calme, si quelqu'un était malade.",
                "Il n'y avait pas de malade, il n'y avait que la faim et un peu de colère. Alors il descendit, "
                "fit entrer tout le monde dans la cuisine, et nous montra les sacs de farine qu'il gardait pour "
                "le mardi.",
            ),
        ),
        "es": Article(
            "La biblioteca de la estación",
            (
                "Cuando cerraron la línea de tren, el jefe de la estación no quiso marcharse. Tenía setenta años,"
                " un perro que dormía debajo del reloj y más de dos mil libros que los viajeros habían ido "
                "dejando en los bancos de la sala de espera durante toda su vida.",
                "Empezó por ordenarlos según el destino de los trenes: las novelas en el andén de la capital, los"
                " poemas en el de la costa y los libros de historia junto a la vía muerta. Nadie le pidió permiso"
                " para leerlos, y él nunca preguntó a nadie si pensaba devolverlos.",
                "Hoy vienen lectores desde muy lejos, casi todos a pie, porque la carretera también está mala. Se"
                " sientan bajo el reloj, que sigue parado a las siete y cuarto, y leen hasta que el perro decide "
                "que ya es tarde.",
            ),
        ),
    }
)
"""By language (ISO 639-1)."""
