"""Sentences in other languages: our own words, in slots whose every combination is correct.

Subjects are third person singular where the verb must agree, and objects keep one case, so that simple templates do.
"""

import numpy as np

from .grammar import expand, sentence_case

_TEMPLATES = (
    "{s} {v} {o}.", "{s} {v} {o} {w}.", "{s} {v} {o}, {j} {s} {v} {o}.", "{e}", "{e} {s} {v} {o}.", "{n}, {n}, {n}.",
)  # fmt: skip


def _language(s: str, v: str, o: str, w: str, j: str, e: str, n: str) -> dict[str, list[str]]:
    """Slots: subjects, verbs, objects, where or when, joining words, whole short phrases, numbers; cut at slashes."""
    lists = {"s": s, "v": v, "o": o, "w": w, "j": j, "e": e, "n": n}
    return {name: [item.strip() for item in text.split("/")] for name, text in lists.items()}


_SLOTS: dict[str, dict[str, list[str]]] = {
    "de": _language(
        "der Vater/die Mutter/mein Bruder/unsere Oma/der Bäcker/die Ärztin/das Mädchen/der junge Pilot/Paul/Emma/"
        "das Kind/der Hund",
        "kauft/sucht/findet/malt/bringt/öffnet/liebt/vergisst/putzt/zeigt/braucht/holt/sieht/verkauft",
        "das Brot/die Butter/einen Apfel/das Buch/die Blumen/das blaue Hemd/zwei Pfannkuchen/die Möbel/"
        "den Schlüssel/das Fahrrad/ein Boot/die Uhr/eine Lampe/den Koffer/süße Kirschen/frische Milch",
        "im Garten/am Montag/in der Küche/heute früh/auf dem Markt/vor dem Bahnhof/in Wien/unter der Brücke/"
        "um acht Uhr/jeden Abend",
        "und/aber/denn/oder",
        "Guten Morgen!/Nein, danke./Vielleicht später./Wie bitte?/Ja, natürlich!/Auf Wiedersehen./"
        "Wo ist der Bus?/Was für ein schöner Tag!/Warum nicht?/Bitte komm nach Hause.",
        "eins/zwei/drei/vier/fünf/sechs/sieben/acht/neun/zehn/elf/zwölf/zwanzig/fünfzig/hundert",
    ),
    "fr": _language(
        "le père/la mère/mon frère/notre voisine/le boulanger/la pilote/le petit garçon/Pauline/Michel/le voisin/"
        "le chien/la femme",
        "achète/cherche/trouve/peint/apporte/ouvre/aime/oublie/lave/montre/vend/prépare/regarde/pousse",
        "le pain/du beurre/une pomme/le livre/les fleurs/la chemise bleue/deux bateaux/la clé/un vélo/la montre/"
        "une lampe/la valise/des cerises/un peu de lait/le fromage/la soupe",
        "dans le jardin/lundi matin/à la cuisine/aujourd'hui/au marché/devant la gare/à Bordeaux/sous le pont/"
        "à huit heures/chaque soir",
        "et/mais/car/puis",
        "Bonjour madame!/Non, merci./Peut-être demain./Pardon?/Oui, bien sûr!/Au revoir./Où est le bus?/"
        "Quelle belle journée!/Pourquoi pas?/Viens vite, on mange.",
        "un/deux/trois/quatre/cinq/six/sept/huit/neuf/dix/onze/douze/vingt/cinquante/cent",
    ),
    "es": _language(
        "el padre/la madre/mi hermano/nuestra vecina/el panadero/la doctora/el niño/Paula/Miguel/el perro/"
        "la abuela/un pintor",
        "compra/busca/encuentra/pinta/trae/abre/ama/olvida/lava/muestra/vende/prepara/mira/empuja",
        "el pan/la mantequilla/una manzana/el libro/las flores/la camisa azul/dos barcos/la llave/un coche/"
        "el reloj/una lámpara/la maleta/unas cerezas/la leche/el queso/la sopa",
        "en el jardín/el lunes/en la cocina/hoy/en el mercado/delante de la estación/en Bilbao/bajo el puente/"
        "a las ocho/cada noche",
        "y/pero/porque/o",
        "¡Buenos días!/No, gracias./Tal vez mañana./¿Cómo?/¡Sí, por supuesto!/Adiós, amigo./¿Dónde está el bus?/"
        "¡Qué día tan bonito!/¿Por qué no?/Ven pronto a comer.",
        "uno/dos/tres/cuatro/cinco/seis/siete/ocho/nueve/diez/once/doce/veinte/cincuenta/cien",
    ),
    "it": _language(
        "il padre/la mamma/mio fratello/la nostra vicina/il fornaio/la dottoressa/il bambino/Paola/Michele/"
        "il cane/la nonna/un pittore",
        "compra/cerca/trova/dipinge/porta/apre/ama/dimentica/lava/mostra/vende/prepara/guarda/spinge",
        "il pane/il burro/una mela/il libro/i fiori/la camicia blu/due barche/la chiave/una bicicletta/"
        "l'orologio/una lampada/la valigia/le ciliegie/un po' di latte/il formaggio/la minestra",
        "nel giardino/lunedì mattina/in cucina/oggi/al mercato/davanti alla stazione/a Bologna/sotto il ponte/"
        "alle otto/ogni sera",
        "e/ma/perché/oppure",
        "Buongiorno, signora!/No, grazie./Forse domani./Come, scusi?/Sì, certo!/Arrivederci./"
        "Dove passa il treno?/Che bella giornata!/Perché no?/Vieni presto a mangiare.",
        "uno/due/tre/quattro/cinque/sei/sette/otto/nove/dieci/undici/dodici/venti/cinquanta/cento",
    ),
    "pt": _language(
        "o pai/a mãe/meu irmão/nossa vizinha/o padeiro/a médica/o menino/Paula/Miguel/o cachorro/a avó/um pintor",
        "compra/procura/encontra/pinta/traz/abre/ama/esquece/lava/mostra/vende/prepara/olha/empurra",
        "o pão/a manteiga/uma maçã/o livro/as flores/a camisa azul/dois barcos/a chave/uma bicicleta/o relógio/"
        "uma lâmpada/a mala/umas cerejas/o leite/o queijo/a sopa",
        "no jardim/na segunda-feira/na cozinha/hoje/no mercado/perto da estação/em Lisboa/debaixo da ponte/"
        "às oito horas/toda noite",
        "e/mas/porque/ou",
        "Bom dia!/Não, obrigado./Talvez amanhã./Como assim?/Sim, claro!/Até logo./Onde passa o ônibus?/"
        "Que dia bonito!/Por que não?/Vem comer depressa.",
        "um/dois/três/quatro/cinco/seis/sete/oito/nove/dez/onze/doze/vinte/cinquenta/cem",
    ),
    "fi": _language(
        "isä/äiti/veljeni/naapurimme/leipuri/lääkäri/pieni poika/Pauliina/Mikko/koira/mummo/taidemaalari",
        "ostaa/etsii/maalaa/tuo/avaa/rakastaa/unohtaa/pesee/näyttää/myy/valmistaa/katsoo/työntää/vie",
        "leipää/voita/omenaa/kirjaa/kukkia/sinistä paitaa/kahta venettä/avainta/pyörää/kelloa/lamppua/"
        "matkalaukkua/kirsikoita/maitoa/juustoa/keittoa",
        "puutarhassa/maanantaina/keittiössä/tänään/torilla/aseman edessä/Helsingissä/sillan alla/kello kahdeksan/"
        "joka ilta",
        "ja/mutta/koska/tai",
        "Hyvää huomenta!/Ei kiitos./Ehkä huomenna./Anteeksi kuinka?/Kyllä, tietysti!/Näkemiin./Missä bussi on?/"
        "Onpa kaunis päivä!/Miksi ei?/Tule pian syömään.",
        "yksi/kaksi/kolme/neljä/viisi/kuusi/seitsemän/kahdeksan/yhdeksän/kymmenen/sata/tuhat",
    ),
    "cs": _language(
        "otec/matka/můj bratr/naše sousedka/pekař/lékařka/malý chlapec/Pavla/Michal/pes/babička/jeden malíř",
        "kupuje/hledá/maluje/nese/otevírá/miluje/potřebuje/myje/ukazuje/prodává/připravuje/vidí/posouvá/chce",
        "chléb/máslo/jablko/knihu/květiny/modré tričko/dva obrazy/klíč/kolo/hodiny/lampu/kufr/třešně/mléko/sýr/"
        "polévku",
        "na zahradě/v pondělí/v kuchyni/dnes ráno/na trhu/před nádražím/v Praze/pod mostem/v osm hodin/"
        "každý večer",
        "a/ale/protože/nebo",
        "Dobré ráno!/Ne, děkuji./Možná zítra./Prosím?/Ano, samozřejmě!/Na shledanou./Kde je autobus?/"
        "To je ale pěkný den!/Proč ne?/Pojď brzy jíst.",
        "jedna/dva/tři/čtyři/pět/šest/sedm/osm/devět/deset/jedenáct/dvanáct/dvacet/padesát/sto",
    ),
    "ca": _language(
        "el pare/la mare/el meu germà/la nostra veïna/el forner/la metgessa/el nen/la Paula/en Miquel/el gos/"
        "l'àvia/un pintor",
        "compra/busca/troba/pinta/porta/obre/estima/oblida/renta/mostra/ven/prepara/mira/empeny",
        "el pa/la mantega/una poma/el llibre/les flors/la camisa blava/dos vaixells/la clau/una bicicleta/"
        "el rellotge/un llum/la maleta/unes cireres/la llet/el formatge/la sopa",
        "al jardí/dilluns al matí/a la cuina/avui/al mercat/davant de l'estació/a Girona/sota el pont/a les vuit/"
        "cada vespre",
        "i/però/perquè/o",
        "Bon dia!/No, gràcies./Potser demà./Com dius?/Sí, és clar!/Adéu, amic./On és el tren?/"
        "Quin dia més bonic!/Per què no?/Vine aviat a menjar.",
        "un/dos/tres/quatre/cinc/sis/set/vuit/nou/deu/onze/dotze/vint/cinquanta/cent",
    ),
    "ru": _language(
        "отец/мама/мой брат/наша соседка/повар/бабушка/маленький мальчик/Павел/Маша/учитель/пилот/художник",
        "покупает/ищет/рисует/несёт/открывает/любит/забывает/моет/показывает/продаёт/готовит/видит/двигает/берёт",
        "хлеб/масло/яблоко/книгу/цветы/синюю рубашку/два билета/ключ/велосипед/часы/лампу/чемодан/вишню/молоко/"
        "сыр/суп",
        "в саду/в понедельник/на кухне/сегодня утром/на рынке/перед вокзалом/в Москве/под мостом/в восемь часов/"
        "каждый вечер",
        "и/но/а/потому что",
        "Доброе утро!/Нет, спасибо./Может быть, завтра./Что вы говорите?/Да, конечно!/До свидания./Где автобус?/"
        "Какой хороший день!/Почему бы и нет?/Приходи скорее обедать.",
        "один/два/три/четыре/пять/шесть/семь/восемь/девять/десять/двенадцать/двадцать/пятьдесят/сто",
    ),
    "hi": _language(
        "मेरा भाई/पड़ोसी/राम/छोटा बच्चा/डाकिया/किसान/माली/मोहन/शिक्षक/मेरा दोस्त/राजू/दुकानदार",
        "रोज़/आज/कल/अब/फिर/हमेशा/कभी कभी/बार बार/चुपचाप/जल्दी",
        "रोटी/मक्खन/सेब/किताब/फूल/नीली कमीज़/पानी/चाय/दूध/चाबी/साइकिल/घड़ी/मिठाई/अख़बार",
        "बाज़ार से लाता है/देता है/लेता है/बेचता है/देखता है/खोजता है/रखता है/माँगता है/बगीचे में रखता है",
        "और/लेकिन/क्योंकि/या",
        "नमस्ते!/नहीं, धन्यवाद।/शायद कल।/क्या बात है?/हाँ, ज़रूर!/फिर मिलेंगे।/बस कहाँ है?/मौसम बहुत अच्छा है।/"
        "घर चलो।/मुझे भूख लगी है।",
        "एक/दो/तीन/चार/पाँच/छह/सात/आठ/नौ/दस/बीस/पचास/सौ",
    ),
    "mr": _language(
        "माझा भाऊ/शेजारी/राम/पोस्टमन/लहान मुलगा/माझा मित्र/राजू/शेतकरी/माळी/शिक्षक/मोहन/पाहुणा",
        "रोज/आज/आता/परत/नेहमी/कधी कधी/हळूच/लवकर/सकाळी/संध्याकाळी",
        "भाकरी/लोणी/सफरचंद/पुस्तक/फुले/निळा सदरा/पाणी/चहा/दूध/किल्ली/सायकल/घड्याळ/भाजी/पेपर",
        "आणतो/देतो/घेतो/विकतो/बघतो/शोधतो/ठेवतो/मागतो/बाजारातून आणतो/बागेत ठेवतो",
        "आणि/पण/कारण/किंवा",
        "नमस्कार!/नको, धन्यवाद./कदाचित उद्या./काय झाले?/हो, नक्की!/पुन्हा भेटू./बस कुठे आहे?/आज हवा छान आहे./"
        "घरी चला./मला भूक लागली आहे.",
        "एक/दोन/तीन/चार/पाच/सहा/सात/आठ/नऊ/दहा/वीस/पन्नास/शंभर",
    ),
}  # fmt: skip

_VERB_LAST = {"hi", "mr"}
"""Languages whose `v` slot is an adverb and whose `w` slot is the verb, which ends the clause."""

LANGUAGES = tuple(_SLOTS)


def foreign_text(language: str, rng: np.random.Generator) -> str:
    """One utterance of `language`, one of `LANGUAGES`; raises ValueError for another."""
    if language not in _SLOTS:
        raise ValueError(f"no sentences for language {language!r}; there are en, {', '.join(LANGUAGES)}")
    template = str(rng.choice(np.array(_TEMPLATES)))
    if language in _VERB_LAST:
        template = template.replace(" {w}", "").replace("{o}", "{o} {w}")
    return sentence_case(expand(template, _SLOTS[language], rng))
